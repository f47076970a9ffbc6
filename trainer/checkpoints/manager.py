"""Checkpoints of a run: the latest few to go on from, and the best of all evaluations.

    saved = Checkpoints(workdir, model, optimizer)
    for step in range(saved.restore(), steps):
        …
        saved.save(step + 1)            # takes a snapshot; a thread writes it
    saved.wait()

A checkpoint is a folder, `checkpoints/step-00001234/` or `checkpoints/best/step-00001234/`, with
TensorFlow's files and their hashes: the model, the optimizer with its slots, and how far the run
is. Nothing of the batch stream is in it: the stream is a function of the step. It is checked before
it gets its name, and again before it is restored; those before it go when it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import tensorflow as tf

from headrace.errors import UserError
from trainer import run_dir
from trainer.checkpoints import paths, verified_dir
from trainer.checkpoints.snapshot import Snapshot
from trainer.config import resume as run_fingerprint

_PREFIX = "variables"


class Checkpoints:
    """Saves and restores a run in training.

    Attributes:
        step: int64 variable, optimizer steps taken.
        best: float64 variable, the best value that an evaluation gave; more is better.
        waited: int64 variable, how many evaluations there were since that.
        evaluated: int64 variable, the step of the last of them.
        sums: float64 variable `[2]`, of `train_steps`, not logged yet.
        since: int64 variable, the step they begin at.
        found: after `restore`, whether there was a checkpoint.
        changes: after `restore`, what the run now has otherwise, see `fingerprint.differences`.
    """

    def __init__(
        self,
        workdir: str,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        keep: int = 3,
        writes: bool = True,
        note: Callable[[str], None] = lambda text: None,
        fingerprint: Mapping[str, object] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Makes the variables.

        Args:
            workdir: the run directory, local or `gs://`.
            model: built.
            optimizer: built.
            keep: how many of the latest checkpoints stay.
            writes: whether this process saves; one that does not restores all the same.
            note: called with lines for the user.
            fingerprint: what a run must have in common with the one it goes on from, see
                `fingerprint.fingerprint`.
            extra: more that TensorFlow can track, by name.
        """
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best = tf.Variable(float("-inf"), dtype=tf.float64, trainable=False)
        self.waited = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.evaluated = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.sums = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)
        self.since = tf.Variable(0, dtype=tf.int64, trainable=False)
        tracked = {
            "model": model,
            "step": self.step,
            "best": self.best,
            "waited": self.waited,
            "evaluated": self.evaluated,
            "sums": self.sums,
            "since": self.since,
            **(extra or {}),
        }
        self._checkpoint = tf.train.Checkpoint(optimizer=optimizer, **tracked)
        self._without_optimizer = tf.train.Checkpoint(**tracked)
        self._snapshot = Snapshot(self._checkpoint)
        self._latest, self._best = (paths.home(workdir, which) for which in run_dir.WHICH)
        self._keep, self._writes, self._note = keep, writes, note
        self._fingerprint = dict(fingerprint or {})
        self.found = False
        self.changes: dict[str, str] = {}
        self._saved: int | None = None
        self._damaged: list[str] = []
        # One thread, so that checkpoints are written one after the other.
        self._writer = ThreadPoolExecutor(1)
        self._under_way: dict[str, Future] = {}

    def restore(self, allow_changes: bool = False) -> int:
        """Restores the newest sound checkpoint, if there is any; the step it was saved at, else 0.

        Says which newer ones are damaged. They go when the next checkpoint stands.

        Args:
            allow_changes: go on from a checkpoint with another fingerprint; where by that the
                optimizer has other variables, it stays as it is.

        Raises:
            UserError: there are checkpoints but none is sound, or it is of another model or run.
        """
        if self._writes:
            paths.clean(self._latest)
            paths.clean(self._best)

        def read(folder: str, prefix: str, about: Mapping[str, object]) -> None:
            self.changes = run_fingerprint.differences(about["fingerprint"], self._fingerprint)
            if self.changes and not allow_changes:
                raise UserError(
                    f"checkpoint {folder} is of another run: {'; '.join(self.changes.values())}; "
                    f"{run_fingerprint.REMEDY}"
                )
            whole = not run_fingerprint.changes_optimizer(self.changes)
            _read(self._checkpoint if whole else self._without_optimizer, folder, prefix, whole)

        damaged = _restore_newest(self._latest, read)
        for folder, reason in damaged.items():
            self._note(f"checkpoint {folder} is damaged ({reason}): going on from the one before")
        self._damaged = list(damaged)
        self.found = bool(paths.found(self._latest))
        self._saved = int(self.step.numpy()) if self.found else None
        return int(self.step.numpy())

    def save(self, step: int) -> None:
        """Saves as the latest, unless that was saved at this step already.

        Values are those of now; a thread writes them, and one that is still at the one before is
        waited for.

        Raises:
            UserError: an earlier checkpoint could not be written.
        """
        if self._writes and self._saved != step:
            self._save(self._latest, step, self._keep)
            self._saved = step

    def save_best(self, step: int, value: float) -> None:
        """Takes note of an evaluation; saves as the best when its value beats all before it.

        Otherwise as `save`, which by this has something new to save at this step.
        """
        better = value > float(self.best.numpy())
        self.waited.assign(0 if better else self.waited + 1)
        self.evaluated.assign(step)
        self._saved = None
        if better:
            self.best.assign(value)
            if self._writes:
                self._save(self._best, step, 1)

    def wait(self) -> None:
        """Waits until everything is written.

        Raises:
            UserError: a checkpoint could not be written.
        """
        for home in list(self._under_way):
            self._under_way.pop(home).result()

    def _save(self, home: str, step: int, keep: int) -> None:
        for other, future in list(self._under_way.items()):
            if other == home or future.done():
                self._under_way.pop(other).result()
        self.step.assign(step)
        values = self._snapshot.take()
        self._under_way[home] = self._writer.submit(self._write, home, step, keep, values)

    def _write(self, home: str, step: int, keep: int, values: list[tf.Tensor]) -> None:
        folder = paths.free(home, step)
        before = [path for path in paths.found(home) if path not in self._damaged]
        before = [path for path in before if paths.step_of(path) != step]

        def fill(making: str) -> None:
            self._snapshot.write(values, f"{making}/{_PREFIX}")
            with paths.as_no_pattern(making) as plain:
                _read_through(f"{plain}/{_PREFIX}")

        try:
            verified_dir.write(folder, fill, {"step": step, "fingerprint": self._fingerprint})
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"checkpoint {folder} cannot be written ({_reason(error)}); it takes "
                f"{self._snapshot.size / 1e6:,.1f} MB: make room there or check the disk, and "
                "start again with the same command to go on from the one before"
            ) from None
        kept = before[: keep - 1]
        for path in paths.found(home):
            if path != folder and path not in kept:
                verified_dir.remove(path)


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
        UserError: there is no checkpoint, it is of another model, or none is sound.
    """
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(model=model, step=step, **more)
    home = paths.home(workdir, which)
    if not paths.found(home):
        raise UserError(
            f"{workdir} has no {which} checkpoint yet; train with `python -m trainer.task`"
        )
    _restore_newest(home, lambda folder, prefix, _: _read(checkpoint, folder, prefix, whole=False))
    return int(step.numpy())


def _restore_newest(
    home: str, read: Callable[[str, str, Mapping[str, object]], None]
) -> dict[str, str]:
    """Restores the newest sound checkpoint, if there is any.

    Args:
        home: the folder that checkpoints are in.
        read: restores a checkpoint: called with its path, that of TensorFlow's files in it, and
            what was said about it when it was saved.

    Returns:
        Paths of newer ones that are damaged, and what is wrong with them.

    Raises:
        UserError: none is sound, or it is of another model or run.
    """
    damaged: dict[str, str] = {}
    for folder in _untried(home):
        try:
            with (
                verified_dir.opened(folder) as (local, about),
                paths.as_no_pattern(local) as plain,
            ):
                read(folder, f"{plain}/{_PREFIX}", about)
        except verified_dir.DamagedError as error:
            damaged[folder] = str(error)
        else:
            return damaged
    if damaged:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in damaged.items())
        raise UserError(
            f"{home} has no sound checkpoint ({reasons}); put a copy back, or start in another "
            "--workdir"
        )
    return {}


def _untried(home: str) -> Iterator[str]:
    """Paths of checkpoints, the newest first; a run in training may add and remove some."""
    tried: set[str] = set()
    while left := [path for path in paths.found(home) if path not in tried]:
        tried.add(left[0])
        yield left[0]


def _read(checkpoint: tf.train.Checkpoint, folder: str, prefix: str, whole: bool) -> None:
    try:
        # Not by the processes that have the variables: a bucket's files lie here for a moment.
        here = tf.train.CheckpointOptions(experimental_io_device=_own_device())
        # Without expecting that, it warns of what the errors say.
        status = checkpoint.read(prefix, here).expect_partial()
        status.assert_existing_objects_matched()
        if whole:
            status.assert_consumed()
    except (AssertionError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise UserError(
            f"checkpoint {folder} is of another model ({_reason(error)}); use another --workdir"
        ) from None
    except tf.errors.OpError as error:
        raise verified_dir.DamagedError(f"TensorFlow cannot read it: {_reason(error)}") from None


def _own_device() -> str:
    """The CPU of this process, as the other processes of a cluster call it."""
    with tf.device("CPU:0"):
        return tf.zeros([]).device


def _read_through(prefix: str) -> None:
    """Reads all that was written; TensorFlow compares it with sums it made in memory.

    Raises:
        tf.errors.OpError: something is not what was to be written.
    """
    reader = tf.train.load_checkpoint(prefix)
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def _reason(error: Exception) -> str:
    """Why, in a line; without the operation and the file that TensorFlow puts before it."""
    if isinstance(error, tf.errors.OpError):
        line = re.sub(r" \[Op:\w+\]$", "", error.message.splitlines()[0])
        return line.rpartition("; ")[2]
    text = error.strerror if isinstance(error, OSError) else None
    return (text or str(error)).strip().splitlines()[0]
