"""`trainer.launch` with the workers of `tests.trainer.launched`, for the tests of both."""

import contextlib
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil

from tests.conftest import ROOT, run_program

WORKER = "tests.trainer.launched"


def launch(folder: pathlib.Path, *deeds: str, workers: int = 2, **flags: object):
    """Runs the launcher to its end."""
    given = [f"--{name}={value}" for name, value in flags.items()]
    return run_program(
        "trainer.launch",
        f"--workers={workers}",
        *given,
        "--",
        WORKER,
        str(folder),
        *deeds,
        timeout=60,
    )


@contextlib.contextmanager
def started(
    folder: pathlib.Path, *deeds: str, workers: int = 2, **flags: object
) -> Iterator[subprocess.Popen]:
    """Starts the launcher in a process group of its own; what is left of it is killed."""
    given = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "trainer.launch", f"--workers={workers}", *given, "--"]
    with subprocess.Popen(
        [*command, WORKER, folder, *deeds],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object]) -> None:
    """Waits until something is so; not for ever."""
    for _ in range(10000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def wait_for_files(folder: pathlib.Path, *names: str) -> None:
    wait_until(lambda: all((folder / name).exists() for name in names))


def alive(folder: pathlib.Path) -> list[int]:
    """Workers that still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(folder) in words and "trainer.launch" not in words:
            found.append(process.pid)
    return found


def starts(folder: pathlib.Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*-*.json"))


def said(stderr: str) -> list[str]:
    """The launcher's own lines."""
    return [line for line in stderr.splitlines() if line.startswith("[launch] ")]
