"""A short run for faults to happen to: how it is started, what it is at, and what it gave.

run = Run(data_dir, workdir, workers=2)
with started(run) as processes:
    watch = Watch(run.workdir)
    …
differences(given(reference), given(run.workdir))     # names of what is not the same
"""

import contextlib
import dataclasses
import logging
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.trainer import workers
from trainer import run_dir

STEPS, EVALUATED_EVERY = 108, 36

# Saves fall between epochs, of 18 steps, and at their ends; so do stops for evaluations.
_FLAGS = (
    "--model=resnet_cifar",
    "--model_options=stages=(1,1);filters=(16,16,32)",
    "--image_size=16,16",
    "--augment=cifar10",
    "--batch_size=4",
    "--learning_rate=0.05",
    "--ema=0.9",
    "--eval_every=2",
    "--save_every_steps=10",
    "--save_every_seconds=0.5",
    f"--steps={STEPS}",
    "--deterministic",
)

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # or it tells each step it drops

PHASES = ("start-up", "step", "save", "evaluation", "end")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run: on which data, where, by how many workers, and where it keeps decoded images."""

    data_dir: pathlib.Path
    workdir: pathlib.Path
    workers: int = 1
    cache: str = "none"

    @property
    def flags(self) -> tuple[str, ...]:
        """Of `trainer.task`."""
        where = (f"--data_dir={self.data_dir}", f"--workdir={self.workdir}")
        kept = (f"--cache={self.cache}", f"--cache_dir={self.workdir}.cache")
        return (*_FLAGS, *where, *kept)


@contextlib.contextmanager
def started(run: Run) -> Iterator[list[subprocess.Popen]]:
    """The processes of a run, the chief first; killed at the end, if they are still there."""
    with workers.started(run.workers, "trainer.task", *run.flags) as processes:
        yield processes


class Watch:
    """Sees from outside what a run is at, by what is in its run directory.

    To be made before the run is started.
    """

    def __init__(self, workdir: pathlib.Path) -> None:
        self._workdir = workdir
        self._file_before, _ = self._file()
        self._unfinished_before = self._unfinished()
        self._rows_at_start: int | None = None
        self._read: tuple[tuple[int, int], list] = ((0, 0), [])

    def phase(self) -> str:
        """One of `PHASES`; a step is whatever is none of the others."""
        if self._file()[0] == self._file_before:  # it is written anew before training begins
            return "start-up"
        rows = self._rows()
        if self._rows_at_start is None:
            self._rows_at_start = len(rows)
        if self._unfinished() - self._unfinished_before:
            return "save"
        if len(rows) == self._rows_at_start:
            return "start-up"
        last = rows[-1]
        if last["split"] == "train" and last["step"] % EVALUATED_EVERY == 0:
            return "evaluation"
        return "end" if last["step"] == STEPS else "step"

    def step(self) -> int:
        """The last step that has a line."""
        rows = self._rows()
        return rows[-1]["step"] if rows else 0

    def _rows(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; read again when it has changed, as this is asked often."""
        file = self._file()
        if file != self._read[0]:
            self._read = file, run_dir.read_metrics(str(self._workdir))
        return self._read[1]

    def _file(self) -> tuple[int, int]:
        """Which file it is, and how long."""
        try:
            found = (self._workdir / run_dir.METRICS).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_size

    def _unfinished(self) -> set[pathlib.Path]:
        home = self._workdir / run_dir.CHECKPOINTS
        return {*home.glob(".step-*"), *home.glob("best/.step-*")}


def given(workdir: pathlib.Path) -> dict[str, object]:
    """All that a finished run gave and that does not hang on the clock, by name."""
    rows = [_without_rate(row) for row in run_dir.read_metrics(str(workdir))]
    result = _without_rate(run_dir.read_result(str(workdir)) or {})
    return {
        **_variables(workdir, "latest"),
        **_variables(workdir, "best"),
        **_scalars(workdir),
        **{f"metrics of {row['split']} at step {row['step']}": row for row in rows},
        "lines of metrics.jsonl": len(rows),
        "result.json": result,
        "curves.png": (workdir / run_dir.CURVES).read_bytes(),
    }


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Names of what is not the same, bit for bit."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _variables(workdir: pathlib.Path, which: str) -> dict[str, bytes]:
    folder = workdir / run_dir.CHECKPOINTS / ("best" if which == "best" else "")
    latest = max(folder.glob("step-*"), default=None)
    if latest is None:
        return {}
    reader = tf.train.load_checkpoint(latest / "variables")
    return {
        f"{which} {name}": reader.get_tensor(name).tobytes()
        for name in reader.get_variable_to_shape_map()
        if "OBJECT_GRAPH" not in name
    }


def _scalars(workdir: pathlib.Path) -> dict[str, list]:
    """What TensorBoard shows: steps and values, by curve."""
    curves = {}
    for folder in sorted((workdir / run_dir.TENSORBOARD).iterdir()):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
        for tag in events.Tags()["tensors"]:
            if tag != "images_per_second":
                points = [(e.step, tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
                curves[f"tensorboard {folder.name}/{tag}"] = [(s, v.item()) for s, v in points]
    return curves


def _without_rate(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "images_per_second"}
