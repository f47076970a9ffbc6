"""The state of a run in training: one thing, which a checkpoint holds whole.

    state = TrainState.create(config, strategy)
    state.step += 10
    if state.record_evaluation(score): …     # the best one so far

Nothing of the batch stream is in it: the stream is a function of the step. Counters are plain
numbers, so that reading one costs nothing between calls into the graph; a checkpoint has them as
variables.
"""

import keras
import numpy as np
import tensorflow as tf

from trainer import run_model
from trainer.config.run import RunConfig
from trainer.distribution import strategies
from trainer.optimization import optimizers

# What a checkpoint calls the counters. This is a file format: run directories that were written
# before have these names.
_NAMES_ON_DISK = {
    "step": "step",
    "best_score": "best",
    "evals_since_best": "waited",
    "last_eval_step": "evaluated",
    "metric_sums": "sums",
    "sums_from_step": "since",
}

# What a checkpoint calls the states of dropout and its like; one of a model without has none.
SEEDS = "seeds"


class TrainState:
    """A model in training, its optimizer, and how far the run is.

    Attributes:
        model: model that is trained.
        optimizer: its optimizer, built.
        step: number of optimizer steps taken.
        best_score: best score that an evaluation gave; more is better.
        evals_since_best: number of evaluations since that one.
        last_eval_step: step of the last evaluation that counts.
        metric_sums: sums of `train_steps` that are not logged yet, float64 `[2]`.
        sums_from_step: step that they begin at.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.step = self.evals_since_best = self.last_eval_step = self.sums_from_step = 0
        self.best_score = float("-inf")
        self.metric_sums = np.zeros(2)
        # What layers of chance draw next. Keras's seed generators are nothing that a checkpoint of
        # the model would follow.
        weights = {id(variable) for variable in model.weights}
        self._seeds = [variable for variable in model.variables if id(variable) not in weights]
        with tf.device("CPU:0"):
            self._counters = {
                name: tf.Variable(np.asarray(getattr(self, name)), trainable=False)
                for name in _NAMES_ON_DISK
            }

    @classmethod
    def create(
        cls,
        config: RunConfig,
        strategy: tf.distribute.Strategy,
        mean_image: np.ndarray | None = None,
    ) -> "TrainState":
        """Make the state that a run begins with.

        Args:
            config: configuration of the run.
            strategy: strategy that the model is trained under.
            mean_image: see `run_model.build`.
        """
        with strategies.scope(strategy):
            model = run_model.build(config, mean_image)
            optimizer = optimizers.build(config, model)
        return cls(model, optimizer)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step, to the digits that 32 bits have."""
        return optimizers.learning_rate(self.optimizer)

    @property
    def base_learning_rate(self) -> float:
        """What the schedule multiplies, of which the learning rate is a part.

        Setting it is the one way in which a run changes it: whoever lowers or restores it does so
        here, so that two cannot disagree.
        """
        return optimizers.base_learning_rate(self.optimizer)

    @base_learning_rate.setter
    def base_learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value

    def mean_metrics(self, batch_size: int) -> tuple[float, float]:
        """Return loss and rank-1 of what was trained on since the last log line."""
        images = (self.step - self.sums_from_step) * batch_size
        loss, rank1 = (self.metric_sums / images).tolist()
        return loss, rank1

    def reset_sums(self) -> None:
        """Begin new sums at this step."""
        self.metric_sums = np.zeros(2)
        self.sums_from_step = self.step

    def record_evaluation(self, score: float) -> bool:
        """Count an evaluation at this step; return whether it is the best one so far."""
        is_best = score > self.best_score  # never with a score that is no number
        if is_best:
            self.best_score = score
        self.evals_since_best = 0 if is_best else self.evals_since_best + 1
        self.last_eval_step = self.step
        return is_best

    def forget_evaluations(self) -> None:
        """Let no evaluation so far be the best one."""
        self.best_score, self.evals_since_best = float("-inf"), 0

    def trackables(self) -> dict[str, object]:
        """Return all that a checkpoint holds, by the name that it has there."""
        counters = {_NAMES_ON_DISK[name]: each for name, each in self._counters.items()}
        seeds = {SEEDS: self._seeds} if self._seeds else {}
        return {"model": self.model, "optimizer": self.optimizer, **seeds, **counters}

    def write_counters(self) -> None:
        """Give the counters' variables their values, for a checkpoint to hold them."""
        for name, variable in self._counters.items():
            variable.assign(getattr(self, name))

    def read_counters(self) -> None:
        """Take over the counters' variables, as a checkpoint left them."""
        for name, variable in self._counters.items():
            value = np.asarray(variable.numpy())
            setattr(self, name, value if value.ndim else value.item())
