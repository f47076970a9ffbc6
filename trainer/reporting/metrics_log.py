"""Writes down what a run measures: `metrics.jsonl`, and the same for TensorBoard."""

import contextlib
import time
from collections.abc import Iterator

import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from trainer import run_dir

_START = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)


class Journal:
    """The record of a run: one call of `log` per logging step and per evaluation."""

    def __init__(self, workdir: str, steps_per_epoch: int) -> None:
        self._workdir, self._steps_per_epoch = workdir, steps_per_epoch
        self._root = f"{workdir}/{run_dir.TENSORBOARD}"
        with self._writing():
            self._writers = {
                name: tf.summary.create_file_writer(f"{self._root}/{name}")
                for name in ("train", "validation")
            }

    def go_on(self, step: int, evaluated: int) -> None:
        """Drops what will be logged again, see `run_dir.forget_metrics_after`."""
        run_dir.forget_metrics_after(self._workdir, step, evaluated)
        for name, seen in (("train", step), ("validation", evaluated)):
            # By this TensorBoard forgets what files of earlier starts have of these steps.
            start = tf.compat.v1.Event(step=seen + 1, wall_time=time.time(), session_log=_START)
            with self._writing():
                writer = self._writers[name]
                tf.raw_ops.ImportEvent(writer=writer._resource, event=start.SerializeToString())
                writer.flush()

    def log(self, step: int, split: str, values: dict[str, float]) -> None:
        """Writes a line, and TensorBoard's scalars under train/, or else validation/."""
        epoch = round(step / self._steps_per_epoch, 4)
        row = {"step": step, "epoch": epoch, "split": split, **values}
        run_dir.append_metrics(self._workdir, row)
        writer = self._writers["train" if split == "train" else "validation"]
        # All at once: a call of tf.summary.scalar for each takes four times as long.
        scalars = [scalar_pb(name, value).value[0] for name, value in values.items()]
        with self._writing(), writer.as_default(step=step):
            tf.summary.experimental.write_raw_pb(Summary(value=scalars).SerializeToString())
            writer.flush()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with run_dir.writing(self._root):
            try:
                yield
            except tf.errors.OpError as error:
                raise OSError(error.message.splitlines()[0].rpartition("; ")[2]) from None
