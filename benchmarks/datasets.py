"""What the contenders of `benchmarks.input_pipeline` read, each made once with its own writer."""

import pathlib
import subprocess
import sys

from benchmarks import folders, harness, reporting
from benchmarks.harness import RunError
from input.dataset import dataset_dir


def headrace(source: pathlib.Path, encoding: str) -> pathlib.Path:
    """Return a dataset directory of all images, in the source's splits or else all `train`."""
    command = [sys.executable, "-m", "beam_pipelines.prepare", f"--source=folder:{source}"]
    command += [f"--name={source.name}", f"--encoding={encoding}", "--duplicates=allow"]
    if not (source / "train").exists():
        command.append("--splits=train:1")
    name = f"{source.name}-{encoding}-{dataset_dir.CARD_FORMAT}"
    return _written(name, command, "--output_dir={folder}")


def beton(source: pathlib.Path, mode: str) -> pathlib.Path:
    """Return FFCV's file; `mode` is one of the writer's."""
    command = [*reporting.peer("ffcv_writer.py", "loaders"), str(source)]
    return _written(f"{source.name}-beton-{mode}", command, "{folder}", mode) / "images.beton"


def array_record(source: pathlib.Path) -> pathlib.Path:
    """Return Grain's file."""
    command = [*reporting.peer("array_record_writer.py", "loaders"), str(source)]
    return _written(f"{source.name}-array-record", command, "{folder}") / "images.array_record"


def _written(name: str, command: list[str], *more: str) -> pathlib.Path:
    """Return a folder that a command writes, `{folder}` standing for it.

    Raises:
        RunError: the command failed.
    """

    def make(folder: pathlib.Path) -> None:
        full = [*command, *(part.replace("{folder}", str(folder)) for part in more)]
        done = subprocess.run(full, cwd=harness.ROOT, capture_output=True, text=True)
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
            raise RunError(f"{name} was not written: {''.join(last)}")

    return folders.once(reporting.cache() / name, make)
