"""Writes down what a run measures: `metrics.jsonl`, and the same for TensorBoard."""

import tensorflow as tf
from etils import epath

from trainer import run_dir


class Journal:
    """The record of a run: one call of `log` per logging step and per evaluation."""

    def __init__(self, workdir: str, steps_per_epoch: int) -> None:
        self._workdir, self._steps_per_epoch = workdir, steps_per_epoch
        root = epath.Path(workdir) / run_dir.TENSORBOARD
        self._writers = {
            name: tf.summary.create_file_writer(str(root / name))
            for name in ("train", "validation")
        }

    def log(self, step: int, split: str, values: dict[str, float]) -> None:
        """Writes a line, and TensorBoard's scalars under train/, or else validation/."""
        epoch = round(step / self._steps_per_epoch, 4)
        row = {"step": step, "epoch": epoch, "split": split, **values}
        run_dir.append_metrics(self._workdir, row)
        writer = self._writers["train" if split == "train" else "validation"]
        with writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        writer.flush()
