"""What a run measures, written down: `metrics.jsonl`, and the same for TensorBoard."""

import contextlib
import time
from collections.abc import Iterator

import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from trainer import run_dir

_START = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)


class MetricsLog:
    """The metrics of a run: one call of `log` per logging step and per evaluation."""

    def __init__(self, workdir: str, steps_per_epoch: int) -> None:
        """Open the files for writing.

        Raises:
            UserError: they cannot be written.
        """
        self._workdir, self._steps_per_epoch = workdir, steps_per_epoch
        self._root = f"{workdir}/{run_dir.TENSORBOARD}"
        with self._errors_named():
            self._writers = {
                name: tf.summary.create_file_writer(f"{self._root}/{name}")
                for name in ("train", "validation")
            }

    def resume_at(self, step: int, last_eval_step: int) -> None:
        """Drop what will be logged again.

        Args:
            step: step up to which the run has trained.
            last_eval_step: step of the last evaluation that its checkpoint knows of.
        """
        run_dir.forget_metrics_after(self._workdir, step, last_eval_step)
        for name, last_step in (("train", step), ("validation", last_eval_step)):
            # By this TensorBoard forgets what files of earlier starts have of these steps.
            start = tf.compat.v1.Event(
                step=last_step + 1, wall_time=time.time(), session_log=_START
            )
            with self._errors_named():
                writer = self._writers[name]
                tf.raw_ops.ImportEvent(writer=writer._resource, event=start.SerializeToString())
                writer.flush()

    def log(self, step: int, split: str, values: dict[str, float]) -> None:
        """Write a line, and TensorBoard's scalars under train/, or else validation/.

        Args:
            step: steps taken so far.
            split: `train` for what is trained on, or the name of an evaluated split.
            values: values by name.
        """
        epoch = round(step / self._steps_per_epoch, 4)
        row = {"step": step, "epoch": epoch, "split": split, **values}
        run_dir.append_metrics(self._workdir, row)
        self.plot(step, split, values)

    def plot(self, step: int, split: str, values: dict[str, float]) -> None:
        """Write TensorBoard's scalars alone; arguments as of `log`."""
        writer = self._writers["train" if split == "train" else "validation"]
        # All at once: a call of tf.summary.scalar for each takes four times as long.
        scalars = [scalar_pb(name, value).value[0] for name, value in values.items()]
        with self._errors_named(), writer.as_default(step=step):
            tf.summary.experimental.write_raw_pb(Summary(value=scalars).SerializeToString())
            writer.flush()

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        with run_dir.writing(self._root):
            try:
                yield
            except tf.errors.OpError as error:
                raise OSError(error.message.splitlines()[0].rpartition("; ")[2]) from None
