"""A process that evaluates a run beside its training: it follows the checkpoints as they appear.

The watched split is evaluated with the newest checkpoint that has no line in `metrics.jsonl` yet;
those that come faster than that takes are passed over. It logs, and keeps the best one.
"""

import time

import tensorflow as tf

from headrace.errors import StoppedError
from input.dataset.dataset_dir import Card
from input.loading import read_records
from trainer import network, run_dir
from trainer.checkpoints import manager, paths
from trainer.config import resume
from trainer.config.run import RunConfig
from trainer.distribution import liveness
from trainer.distribution.cluster import Cluster
from trainer.distribution.preemption import Interruption
from trainer.evaluation import monitor
from trainer.loop import train_step
from trainer.optimization import optimizers
from trainer.reporting import curves
from trainer.reporting.metrics_log import Journal
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data

_POLL_SECONDS = 0.5


def follow(config: RunConfig, card: Card, workdir: str, members: Cluster) -> None:
    """Evaluates checkpoints until the run has ended.

    Args:
        config: of the run.
        card: of its dataset.
        workdir: the run directory.
        members: of the run; where the chief is among them, this process ends after it.

    Raises:
        StoppedError: the chief has ended, and the run is not finished.
    """
    chief = liveness.Watch(members.addresses["chief"][0])
    with Interruption(), TrainingProgress(config.steps) as progress:
        one = tried = None
        while True:
            # Asked in this order: what a run saved before it ended is evaluated.
            finished, gone = run_dir.is_finished(workdir, config.steps), chief.is_gone()
            newest = paths.newest(workdir)
            if newest not in {None, tried} and newest not in _evaluated(config, workdir):
                one, tried = one or _Evaluator(config, card, workdir, progress), newest
                one.evaluate()
            elif finished:
                return
            elif gone:
                raise StoppedError(
                    "the chief has ended, and the run is not finished; start all of them again "
                    "with the same command"
                )
            else:
                time.sleep(_POLL_SECONDS)


class _Evaluator:
    """A model of one's own, for the weights of one checkpoint after the other."""

    def __init__(
        self, config: RunConfig, card: Card, workdir: str, progress: TrainingProgress
    ) -> None:
        self.config, self.workdir, self.progress = config, workdir, progress
        strategy = tf.distribute.get_strategy()
        self.data = Data(config, card, strategy, progress)
        self.model = network.build(config, self.data.mean_image(workdir))
        self.optimizer = optimizers.of(config, self.model)
        self.batches = train_step.make_evaluate(strategy, self.model, len(card.classes))
        self.journal = Journal(workdir, self.data.order.steps_per_epoch)
        self.saved = manager.Checkpoints(
            workdir, self.model, self.optimizer, fingerprint=resume.fingerprint(config)
        )
        self.saved.best.assign(_best(config, workdir))

    def evaluate(self) -> None:
        """Evaluates the newest checkpoint."""
        split = self.config.validation_split
        step = manager.restore_model(self.workdir, self.model, "latest", optimizer=self.optimizer)
        batches, reader = self.data.evaluation(split)
        with read_records.reader_errors(reader), optimizers.averaged(self.model, self.optimizer):
            result = self.batches(batches)
        result = {name: result[name] for name in ("rank1", "rank5", "loss", "records")}
        self.saved.save_best(step, monitor.worth(result, self.config.monitor))
        self.saved.wait()
        self.journal.log(step, split, result)
        curves.draw(self.workdir)
        self.progress.note_evaluation(step / self.data.order.steps_per_epoch, split, result)


def _rows(config: RunConfig, workdir: str) -> list[dict[str, object]]:
    rows = run_dir.read_metrics(workdir)
    return [row for row in rows if row["split"] == config.validation_split]


def _evaluated(config: RunConfig, workdir: str) -> set[int]:
    return {row["step"] for row in _rows(config, workdir)}


def _best(config: RunConfig, workdir: str) -> float:
    worths = [monitor.worth(row, config.monitor) for row in _rows(config, workdir)]
    return max(worths, default=float("-inf"))
