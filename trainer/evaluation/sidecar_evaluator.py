"""A process that evaluates a run beside its training: it follows the checkpoints as they appear.

The validation split is evaluated with the newest checkpoint that has no line in `metrics.jsonl`
yet; those that come faster than that takes are passed over. It logs, and keeps the best one.
"""

import time
from typing import Any

import tensorflow as tf

from headrace.errors import StoppedError
from input.dataset.dataset_dir import Card
from input.loading import read_records
from trainer import run_dir, run_model
from trainer.checkpoints import paths, restore
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config import precision, resume
from trainer.config.run import RunConfig
from trainer.distribution.cluster import Cluster
from trainer.distribution.liveness import LivenessProbe, MissingReport
from trainer.distribution.preemption import Preemption
from trainer.evaluation import monitor, run_evaluation
from trainer.optimization import ema, optimizers
from trainer.reporting import curves
from trainer.reporting.metrics_log import MetricsLog
from trainer.reporting.progress import TrainingProgress
from trainer.reporting.run_report import RunReport
from trainer.run_data import Data

_POLL_SECONDS = 0.5


def evaluate_checkpoints(config: RunConfig, card: Card, workdir: str, cluster: Cluster) -> None:
    """Evaluate checkpoints until the run has ended.

    Args:
        config: configuration of the run.
        card: card of its dataset.
        workdir: the run directory.
        cluster: processes of the run; this one ends after their chief.

    Raises:
        StoppedError: the chief has ended, and the run is not finished.
    """
    address, split = cluster.addresses["chief"][0], config.training.validation_split
    chief = LivenessProbe(address)
    idle = "while it followed the checkpoints: what is evaluated is kept"
    with Preemption(idle=idle), TrainingProgress(config.training.steps) as progress:
        if not split:
            progress.note("no validation split: nothing is evaluated before the end")
        evaluator = last = None
        report = MissingReport(progress.note)
        while True:
            # Looked at in this order: what a run saved before it ended is evaluated.
            finished, chief_is_down = (
                run_dir.is_finished(workdir, config.training.steps),
                chief.is_down(),
            )
            report.update({} if chief.seen else {"chief": address})
            newest = paths.newest(workdir)
            if split and newest not in {None, last, *_evaluated_steps(config, workdir)}:
                evaluator = evaluator or _Evaluator(config, card, workdir, progress)
                last = newest
                evaluator.evaluate(split)
            elif finished or (chief_is_down and run_dir.is_over(workdir, config.training.steps)):
                return
            elif chief_is_down:
                raise StoppedError(
                    "the chief has ended, and the run is not finished; start all of them again "
                    "with the same command"
                )
            else:
                time.sleep(_POLL_SECONDS)


class _Evaluator:
    """A model by itself, for the weights of one checkpoint after the other."""

    def __init__(
        self, config: RunConfig, card: Card, workdir: str, progress: TrainingProgress
    ) -> None:
        strategy = tf.distribute.get_strategy()
        # There is a checkpoint: what the chief has chosen is in the run directory.
        config = precision.as_recorded(config, workdir)
        self._config, self._workdir, self._progress = config, workdir, progress
        self._data = Data(config, card, strategy, progress)
        self._model = run_model.build(config, self._data.mean_image(workdir))
        self._optimizer = optimizers.build(config, self._model)
        self._evaluate = run_evaluation.make_evaluate(config, strategy, self._model)
        self._metrics_log = MetricsLog(workdir, self._data.order.steps_per_epoch)
        self._report = RunReport(workdir, config, self._data.order.steps_per_epoch)
        self._state = TrainState(self._model, self._optimizer)
        self._state.best_score = _best_score(config, workdir)
        self._manager = CheckpointManager(
            workdir, self._state, fingerprint=resume.fingerprint(config)
        )
        self._manager.clear_best()

    def evaluate(self, split: str) -> None:
        """Evaluate the newest checkpoint on a split."""
        model, optimizer = self._model, self._optimizer
        step = restore.restore_model(
            self._workdir, model, "latest", note=self._progress.note, optimizer=optimizer
        )
        batches, reader = self._data.evaluation(split, step)
        with read_records.reader_errors(reader), ema.average_weights(optimizer):
            result = self._evaluate(batches)
        self._state.step = step
        if self._state.record_evaluation(monitor.score(result, self._config.training.monitor)):
            self._manager.save_best()
        self._manager.wait()
        self._metrics_log.log(step, split, result)
        epoch = step / self._data.order.steps_per_epoch
        self._progress.note_evaluation(epoch, split, result)
        curves.draw(self._workdir)
        self._report.update(step, self._progress.note)


def _evaluations(config: RunConfig, workdir: str) -> list[dict[str, Any]]:
    rows = run_dir.read_metrics(workdir)
    return [row for row in rows if row["split"] == config.training.validation_split]


def _evaluated_steps(config: RunConfig, workdir: str) -> set[int]:
    return {row["step"] for row in _evaluations(config, workdir)}


def _best_score(config: RunConfig, workdir: str) -> float:
    scores = [monitor.score(row, config.training.monitor) for row in _evaluations(config, workdir)]
    return max(scores, default=float("-inf"))
