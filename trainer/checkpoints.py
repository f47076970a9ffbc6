"""Checkpoints of a run: the latest few to go on from, and the best by validation rank-1.

A checkpoint holds the model, the optimizer with its slots, the step and the best rank-1 so far.
Nothing of the batch stream is in it: the stream is a function of the step.
"""

import keras
import tensorflow as tf
from etils import epath

from headrace import UserError
from trainer import run_dir

KEEP = 3


class Checkpoints:
    """Saves and restores a run in training.

    Attributes:
        step: int64 variable, optimizer steps taken.
        best: float32 variable, the best rank-1 that an evaluation gave.
        sums: float64 variable `[2]`, of `train_steps`, not logged yet.
        since: int64 variable, the step they begin at.
    """

    def __init__(
        self,
        workdir: str,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        writes: bool = True,
    ) -> None:
        self._writes = writes
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best = tf.Variable(-1.0, trainable=False)
        self.sums = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)
        self.since = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            model=model,
            optimizer=optimizer,
            step=self.step,
            best=self.best,
            sums=self.sums,
            since=self.since,
        )
        latest, best = _directory(workdir, "latest"), _directory(workdir, "best")
        self._latest = tf.train.CheckpointManager(self._checkpoint, latest, max_to_keep=KEEP)
        self._best = tf.train.CheckpointManager(self._checkpoint, best, max_to_keep=1)

    def restore(self) -> int:
        """Restores the latest checkpoint, if there is one; the step it was saved at, else 0.

        Raises:
            UserError: it is of another model, or damaged.
        """
        if self._latest.latest_checkpoint:
            _restore(self._checkpoint, self._latest.latest_checkpoint, whole=True)
        return int(self.step.numpy())

    def save(self, step: int) -> None:
        """Saves as the latest, unless that was saved at this step already."""
        if (
            self._writes
            and self._latest.latest_checkpoint != f"{self._latest.directory}/ckpt-{step}"
        ):
            self.step.assign(step)
            self._latest.save(checkpoint_number=step)

    def save_if_best(self, step: int, rank1: float) -> None:
        """Saves as the best when `rank1` beats all before it."""
        if rank1 > float(self.best.numpy()):
            self.best.assign(rank1)
            self.step.assign(step)
            if not self._writes:
                return
            self._best.save(checkpoint_number=step)


def restore_model(workdir: str, model: keras.Model, which: str, **more) -> int:
    """Restores the weights of a model.

    Args:
        workdir: the run directory.
        model: built as the run's config says.
        which: `latest` or `best`.
        **more: what else of the checkpoint to restore, such as `optimizer`.

    Returns:
        The step of the checkpoint.

    Raises:
        UserError: there is no checkpoint, it is of another model, or damaged.
    """
    path = tf.train.latest_checkpoint(_directory(workdir, which))
    if path is None:
        raise UserError(
            f"{workdir} has no {which} checkpoint yet; train with `python -m trainer.task`"
        )
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    _restore(tf.train.Checkpoint(model=model, step=step, **more), path, whole=False)
    return int(step.numpy())


def _restore(checkpoint: tf.train.Checkpoint, path: str, whole: bool) -> None:
    try:
        status = checkpoint.restore(path)
        status.assert_existing_objects_matched()
        if whole:
            status.assert_consumed()
        else:
            status.expect_partial()
    except (AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"checkpoint {path} is of another model ({reason}); use another --workdir"
        ) from None
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0]
        raise UserError(
            f"checkpoint {path} cannot be read ({reason}); delete its files to go on from the "
            "one before"
        ) from None


def _directory(workdir: str, which: str) -> str:
    directory = epath.Path(workdir) / run_dir.CHECKPOINTS
    return str(directory / run_dir.BEST if which == "best" else directory)
