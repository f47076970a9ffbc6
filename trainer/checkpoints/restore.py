"""Reading checkpoints: a trained model, the newest sound one, and what to say of damaged ones."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from headrace.errors import UserError
from trainer import run_dir, run_model
from trainer.checkpoints import paths, verified_dir
from trainer.config.run import RunConfig
from trainer.optimization import optimizers

# TensorFlow's files in the folder of a checkpoint begin with this.
PREFIX = "variables"


class NoSoundCheckpointError(UserError):
    """There are checkpoints in a folder, and all of them are damaged.

    Attributes:
        damaged: paths of the checkpoints, and what is wrong with them.
    """

    def __init__(self, home: str, damaged: dict[str, str], remedy: str) -> None:
        self.damaged = damaged
        reasons = "; ".join(f"{path}: {reason}" for path, reason in damaged.items())
        super().__init__(f"{home} has no sound checkpoint ({reasons}); {remedy}")


def load_model(
    config: RunConfig, workdir: str, which: str, average: bool = False
) -> tuple[keras.Model, int]:
    """Build the network of a run and restore its weights from a checkpoint.

    Newer ones that are damaged are logged, with the one that is taken in their place.

    Args:
        config: configuration of the run.
        workdir: the run directory.
        which: checkpoint, `latest` or `best`, or `auto`, see `run_dir.resolve_checkpoint`.
        average: take the average of the weights, of a run that keeps one.

    Returns:
        The network, and the step of the checkpoint.

    Raises:
        NoSoundCheckpointError: all of them are damaged.
        UserError: there is no such checkpoint, or it does not fit the run's config.
    """
    which = run_dir.resolve_checkpoint(workdir, which)
    model = run_model.build_from_run_dir(config, workdir)
    if not average:
        return model, restore_model(workdir, model, which)
    optimizer = optimizers.build(config, model)
    step = restore_model(workdir, model, which, optimizer=optimizer)
    optimizer.finalize_variable_values(model.trainable_variables)
    return model, step


def restore_model(
    workdir: str,
    model: keras.Model,
    which: str,
    *,
    note: Callable[[str], None] = logging.warning,
    **more: object,
) -> int:
    """Restore the weights of a model from the newest sound checkpoint.

    Args:
        workdir: run directory.
        model: model, built as the run's config says.
        which: checkpoint to take, `latest` or `best`.
        note: function that is called with a line about each newer one that is damaged, and which
            one is taken; the log, where it is not given.
        **more: what else of the checkpoint to restore, such as `optimizer`.

    Returns:
        The step of the checkpoint.

    Raises:
        NoSoundCheckpointError: all of them are damaged.
        UserError: there is no checkpoint, or it is of another model.
    """
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(model=model, step=step, **more)
    home = paths.home(workdir, which)
    if not paths.newest_first(home):
        raise UserError(
            f"{workdir} has no {which} checkpoint yet; train with `python -m trainer.task`"
        )

    source = ""

    def read_weights(folder: str, prefix: str, _: Mapping[str, object]) -> None:
        nonlocal source
        read(checkpoint, folder, prefix, complete=False)
        source = folder.rpartition("/")[2]

    remedy = "put a copy back" + ", or use the latest one" * (which == "best")
    for folder, why in restore_newest(home, read_weights, remedy).items():
        note(f"checkpoint {folder} is damaged ({why}): taking {source}")
    return int(step.numpy())


def restore_newest(
    home: str, read: Callable[[str, str, Mapping[str, object]], None], remedy: str
) -> dict[str, str]:
    """Restore the newest sound checkpoint, if there is any.

    Args:
        home: folder that checkpoints are in.
        read: function that restores a checkpoint: called with its path, that of TensorFlow's files
            in it, and what was said about it when it was saved.
        remedy: what a user can do where none is sound.

    Returns:
        Paths of newer ones that are damaged, and what is wrong with them.

    Raises:
        NoSoundCheckpointError: none is sound.
        UserError: it is of another model or run.
    """
    damaged: dict[str, str] = {}
    for folder in _untried(home):
        try:
            with (
                verified_dir.open_verified(folder) as (local, about),
                paths.without_wildcards(local) as plain,
            ):
                read(folder, f"{plain}/{PREFIX}", about)
        except verified_dir.DamagedError as error:
            damaged[folder] = str(error)
        else:
            return damaged
    if damaged:
        raise NoSoundCheckpointError(home, damaged, remedy)
    return {}


def _untried(home: str) -> Iterator[str]:
    """Yield paths of checkpoints, the newest first; a run in training may add and remove some."""
    tried: set[str] = set()
    while left := [path for path in paths.newest_first(home) if path not in tried]:
        tried.add(left[0])
        yield left[0]


def read(checkpoint: tf.train.Checkpoint, folder: str, prefix: str, complete: bool) -> None:
    """Restore objects from TensorFlow's files.

    Args:
        checkpoint: objects to restore; all of them must be in the files.
        folder: path of the checkpoint, for messages.
        prefix: path that the files begin with.
        complete: whether all that is in the files must be among the objects.

    Raises:
        UserError: the objects are those of another model.
        verified_dir.DamagedError: TensorFlow cannot read the files.
    """
    try:
        # Not by the processes that have the variables: a bucket's files lie here for a moment.
        here = tf.train.CheckpointOptions(experimental_io_device=_local_device())
        # Without expecting that, it warns of what the errors say.
        status = checkpoint.read(prefix, here).expect_partial()
        status.assert_existing_objects_matched()
        if complete:
            status.assert_consumed()
    except (AssertionError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise UserError(
            f"checkpoint {folder} is of another model ({reason(error)}); use another `workdir`"
        ) from None
    except tf.errors.OpError as error:
        raise verified_dir.DamagedError(f"TensorFlow cannot read it: {reason(error)}") from None


def holds(prefix: str, name: str) -> bool:
    """Return whether TensorFlow's files have objects below a name; damaged ones may have any."""
    try:
        names = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except tf.errors.OpError:
        return True  # `read` says what is wrong with them
    return any(each.startswith(f"{name}/") for each in names)


def read_through(prefix: str) -> None:
    """Read all that was written; TensorFlow compares it with sums it made in memory.

    Raises:
        tf.errors.OpError: something is not what was to be written.
    """
    reader = tf.train.load_checkpoint(prefix)
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def reason(error: Exception) -> str:
    """Say why, in a line; without the operation and the file that TensorFlow puts before it."""
    if isinstance(error, tf.errors.OpError):
        line = re.sub(r" \[Op:\w+\]$", "", error.message.splitlines()[0])
        return line.rpartition("; ")[2]
    text = error.strerror if isinstance(error, OSError) else None
    return (text or str(error)).strip().splitlines()[0]


def _local_device() -> str:
    """Return the CPU of this process, as the other processes of a cluster call it."""
    with tf.device("CPU:0"):
        return tf.zeros([]).device
