"""The run directory: metrics, the final result, and where everything else in it is.

config.json  flags.txt   everything needed to repeat the run
checkpoints/             the latest few, `step-00001234/`, and `best/` with the best one
metrics.jsonl            one line per logging step and per evaluation
tensorboard/             train/ and validation/
curves.png, report.html  redrawn at every evaluation
result.json              final numbers; written last
time_up                  beside parameter servers, while a run rests that `max_minutes` has ended
mean_image.npy           the mean of each pixel, where the network subtracts it
diverged/                batches at which the loss was no number, `step-00001234/`
export/0001/             SavedModel
"""

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from headrace import atomic, files
from headrace.errors import UserError

CONFIG = "config.json"
METRICS = "metrics.jsonl"
RESULT = "result.json"
TIME_UP = "time_up"
MEAN_IMAGE = "mean_image.npy"
CURVES = "curves.png"
REPORT = "report.html"
FLAGS = "flags.txt"
CHECKPOINTS = "checkpoints"
BEST = "best"
TENSORBOARD = "tensorboard"
EXPORT = "export"
DIVERGED = "diverged"

# The checkpoints that there are, and that programs can ask for.
WHICH = ("latest", "best")
AUTO = "auto"


def make(workdir: str, config: str, flagfile: str, mean_image: np.ndarray | None = None) -> None:
    """Make the run directory, or bring the one that is there up to date: the result of a run
    that goes on is none any more.

    Killed at any moment, it leaves a directory that the same run can start in: a config, which
    says whose the other files are, or nothing but hidden files.

    Args:
        workdir: its path.
        config: what `config.json` holds.
        flagfile: what `flags.txt` holds.
        mean_image: see `read_mean_image`; None for none.
    """
    with writing(workdir):
        files.make_folder(workdir)
        files.remove([f"{workdir}/{name}" for name in (RESULT, TIME_UP)])
    earlier = None if mean_image is None else read_mean_image(workdir)
    if mean_image is not None and earlier is not None and not np.array_equal(earlier, mean_image):
        files.remove([f"{workdir}/{MEAN_IMAGE}"])  # before a config says that it is its own
    write_atomic(f"{workdir}/{CONFIG}", config.encode())
    write_atomic(f"{workdir}/{FLAGS}", flagfile.encode())
    if mean_image is not None:
        _write_mean_image(f"{workdir}/{MEAN_IMAGE}", mean_image)


@contextlib.contextmanager
def lock(workdir: str) -> Iterator[None]:
    """Keep other processes of this machine from training in a run directory meanwhile: the two
    would remove each other's checkpoints. See `atomic.lock_dir`.

    Raises:
        UserError: another process holds it, or it cannot be made.
    """
    conflict = (
        f"another process is training in `workdir`={workdir}; end it first, or use another one"
    )
    with contextlib.ExitStack() as stack:
        with writing(workdir):
            stack.enter_context(atomic.lock_dir(workdir, conflict))
        yield


def append_metrics(workdir: str, row: dict[str, object]) -> None:
    """Add one line to `metrics.jsonl`."""
    path = f"{workdir}/{METRICS}"
    with writing(path):
        files.append(path, f"{json.dumps(row)}\n".encode())


def read_metrics(workdir: str) -> list[dict[str, Any]]:
    """Return the lines of `metrics.jsonl`; a last line that a kill cut short is passed over.

    Raises:
        UserError: another one is no such line.
    """
    path = f"{workdir}/{METRICS}"
    if not files.exists(path):
        return []
    with _reading(path):
        whole, _, _ = files.read(path).decode().rpartition("\n")
        return [_object(line, "step", "split") for line in whole.splitlines()]


def forget_metrics_after(workdir: str, step: int, evaluated: int) -> None:
    """Drop what a restored checkpoint has not seen: it will be made again.

    Args:
        workdir: the run directory.
        step: up to which it has trained.
        evaluated: the step of the last evaluation that it knows of.
    """
    rows = [
        row
        for row in read_metrics(workdir)
        if row["step"] <= (step if row["split"] == "train" else evaluated)
    ]
    write_atomic(f"{workdir}/{METRICS}", "".join(json.dumps(row) + "\n" for row in rows).encode())


def read_mean_image(workdir: str) -> np.ndarray | None:
    """Return the mean of each pixel of the training split, float32, 0-255; None for none.

    Raises:
        UserError: it is damaged.
    """
    path = f"{workdir}/{MEAN_IMAGE}"
    if not files.exists(path):
        return None
    with _reading(path):
        return np.load(io.BytesIO(files.read(path)))


def read_result(workdir: str) -> dict[str, Any] | None:
    """Return `result.json`, or None while the run is unfinished.

    Raises:
        UserError: it is damaged.
    """
    path = f"{workdir}/{RESULT}"
    if not files.exists(path):
        return None
    with _reading(path):
        return _object(files.read(path).decode(), "steps", "evaluations_since_best")


def resolve_checkpoint(workdir: str, which: str) -> str:
    """Return which checkpoint is meant by `auto`: the one that the result is of, or else the
    latest.

    Raises:
        UserError: the result is damaged.
    """
    if which != AUTO:
        return which
    return "best" if "restored_step" in (read_result(workdir) or {}) else "latest"


def is_finished(workdir: str, end: int) -> bool:
    """Return whether a run has been trained to the step `end`, and its result is written."""
    result = read_result(workdir)
    return result is not None and result["steps"] >= end


def is_over(workdir: str, end: int) -> bool:
    """Return whether a run is finished, or has ended because its time was up."""
    return is_finished(workdir, end) or files.exists(f"{workdir}/{TIME_UP}")


def write_time_up(workdir: str) -> None:
    """Tell processes that train nothing themselves that the run ends because its time is up."""
    write_atomic(f"{workdir}/{TIME_UP}", b"")


def write_result(workdir: str, result: dict[str, object]) -> None:
    """Write `result.json`: the run is finished."""
    write_atomic(f"{workdir}/{RESULT}", (json.dumps(result, indent=2) + "\n").encode())


def write_atomic(path: str, content: bytes) -> None:
    """Write a file of the run directory so that it is there in full or not at all.

    Raises:
        UserError: it cannot be written.
    """
    with writing(path):
        files.write_atomic(path, content)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Say which file or folder of the run directory cannot be written, and what to do.

    Raises:
        UserError: it cannot; of an `OSError` inside.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}); make room there or check the "
            "disk, and start again with the same command to go on from the last checkpoint"
        ) from None


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} is damaged ({str(error).splitlines()[0]}); put a copy back, or remove it to "
            "go on without it"
        ) from None


def _object(text: str, *names: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict) or not set(names) <= found.keys():
        raise ValueError(f"{' and '.join(names)} are missing")
    return found


def _write_mean_image(path: str, image: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, image)
    write_atomic(path, content.getvalue())
