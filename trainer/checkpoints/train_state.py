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

from headrace.errors import UserError
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

# What a checkpoint calls `reference_score`; one of a run without `min_delta` has none.
REFERENCE = "reference"


class DivergedError(UserError):
    """Training gave numbers that are none, or a loss that is far too high.

    Attributes:
        what: what is so, such as "the loss is nan".
        step: step at which it was so.
        batch_step: step whose batch was the last one before; the same one, of a training loss.
    """

    def __init__(self, what: str, step: int, batch_step: int) -> None:
        super().__init__(f"{what} at step {step:,}; lower `learning_rate`")
        self.what, self.step, self.batch_step = what, step, batch_step


class TrainState:
    """A model in training, its optimizer, and how far the run is.

    Attributes:
        model: model that is trained.
        optimizer: its optimizer, built.
        step: number of optimizer steps taken.
        best_score: best score that an evaluation gave; more is better.
        is_best: whether that was the last one, of those that this process has made.
        min_delta: by how much more than `reference_score` a score must be to count as better.
        reference_score: score of the last evaluation that counted as better.
        evals_since_best: number of evaluations since that one.
        last_eval_step: step of the last evaluation that counts.
        metric_sums: sums of `train_steps` that are not logged yet, float64 `[2]`.
        sums_from_step: step that they begin at.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, min_delta: float = 0.0
    ) -> None:
        self.model, self.optimizer, self.min_delta = model, optimizer, min_delta
        self.step = self.evals_since_best = self.last_eval_step = self.sums_from_step = 0
        self.best_score = self.reference_score = float("-inf")
        self.is_best = False
        self.metric_sums = np.zeros(2)
        # Without `min_delta` it is the best score, and nothing that a checkpoint need hold.
        self._names_on_disk = _NAMES_ON_DISK | ({"reference_score": REFERENCE} if min_delta else {})
        # What layers of chance draw next. Keras's seed generators are nothing that a checkpoint of
        # the model would follow.
        weights = {id(variable) for variable in model.weights}
        self._seeds = [variable for variable in model.variables if id(variable) not in weights]
        with tf.device("CPU:0"):
            self._counters = {
                name: tf.Variable(np.asarray(getattr(self, name)), trainable=False)
                for name in self._names_on_disk
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
        return cls(model, optimizer, config.training.min_delta)

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
        # Neither with a score that is no number. As Keras's EarlyStopping has it, small steps count
        # once they add up; the best one, unlike there, is the very best.
        self.is_best = is_better = score > self.best_score
        if self.min_delta:
            is_better = score - self.min_delta > self.reference_score
        if self.is_best:
            self.best_score = score
        if is_better:
            self.reference_score = score
        self.evals_since_best = 0 if is_better else self.evals_since_best + 1
        self.last_eval_step = self.step
        return self.is_best

    def forget_evaluations(self) -> None:
        """Let no evaluation so far be the best one."""
        self.best_score = self.reference_score = float("-inf")
        self.evals_since_best = 0

    def check_finite(self) -> None:
        """Make sure that all weights are numbers.

        Raises:
            DivergedError: one is not.
        """
        weights = [tf.convert_to_tensor(variable.value) for variable in self.model.weights]
        finite = [
            tf.reduce_all(tf.math.is_finite(weight))
            for weight in weights
            if weight.dtype.is_floating
        ]
        if finite and not tf.reduce_all(tf.stack(finite)):
            raise DivergedError("the weights are no longer finite", self.step, self.step - 1)

    def trackables(self) -> dict[str, object]:
        """Return all that a checkpoint holds, by the name that it has there."""
        counters = {self._names_on_disk[name]: each for name, each in self._counters.items()}
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
        if self.reference_score == float("-inf"):  # of a checkpoint that has none
            self.reference_score = self.best_score
