"""Where the checkpoints of a run are, and what they are called.

`checkpoints/step-00001234/`, and `checkpoints/best/step-00001234/`. Where a damaged checkpoint of a
step is still there, the next one of that step has a number more: `step-00001234-1/`.

No TensorFlow is imported here.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

from trainer import run_dir
from trainer.checkpoints import verified_dir

_NAME = re.compile(r"step-(\d{8,})(?:-(\d+))?")


def home(workdir: str, which: str) -> str:
    """Return the folder of a run's checkpoints, `latest` or `best`."""
    parent = f"{workdir}/{run_dir.CHECKPOINTS}"
    return f"{parent}/{run_dir.BEST}" if which == "best" else parent


def newest_first(home: str) -> list[str]:
    """Return paths of the checkpoints in a folder, the newest first; damaged ones as well."""
    return [
        f"{home}/{name}" for name in sorted(verified_dir.names(home, _NAME), key=_age, reverse=True)
    ]


def step_of(path: str) -> int:
    """Return the step of a checkpoint."""
    return _age(path.rpartition("/")[2])[0]


def newest(workdir: str) -> int | None:
    """Return the step of a run's newest checkpoint, sound or not; None where there is none."""
    paths = newest_first(home(workdir, "latest"))
    return step_of(paths[0]) if paths else None


def next_path(home: str, step: int) -> str:
    """Return the path of the next checkpoint of a step."""
    repetitions = [again for at, again in map(_age, verified_dir.names(home, _NAME)) if at == step]
    return f"{home}/step-{step:08d}" + (f"-{max(repetitions) + 1}" if repetitions else "")


def clean(home: str) -> None:
    """Remove what is left of checkpoints that were being written or removed by a killed process.

    Nobody may be writing there now.
    """
    verified_dir.clean(home, _NAME)


@contextlib.contextmanager
def without_wildcards(folder: str) -> Iterator[str]:
    """Give a local folder another path, meanwhile: TensorFlow reads a checkpoint whose path has
    `*`, `?` or `[` in it as a pattern, and finds nothing."""
    with tempfile.TemporaryDirectory() as parent:
        os.symlink(os.path.abspath(folder), f"{parent}/checkpoint")
        yield f"{parent}/checkpoint"


def _age(name: str) -> tuple[int, int]:
    """Return step and repetition, by which the names of checkpoints are ordered."""
    match = _NAME.fullmatch(name)
    assert match, name
    step, again = match.groups(default="0")
    return int(step), int(again)
