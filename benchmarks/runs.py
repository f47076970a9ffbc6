"""Runs of `trainer.task` that are watched from outside, through what they write.

with runs.started(workdir, flags, workers=2, cores=runs.cores(2)) as processes:
    runs.wait_for_step(workdir, 300, processes)
runs.steps_per_second(workdir, 100, 300)
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.harness import RunError
from trainer import run_dir
from trainer.distribution import cluster

_POLL_SECONDS = 0.2


def cores(count: int) -> list[int]:
    """Return so many cores of this machine.

    Raises:
        RunError: it has fewer.
    """
    found = sorted(os.sched_getaffinity(0))
    if len(found) < count:
        raise RunError(f"{count} workers need a core each, and there are {len(found)}")
    return found[:count]


@contextlib.contextmanager
def started(
    workdir: pathlib.Path, flags: Sequence[str], workers: int = 1, cores: Sequence[int] = ()
) -> Iterator[list[subprocess.Popen]]:
    """Start the processes of `python -m trainer.task`, the chief first; killed at the end.

    Args:
        workdir: the run directory.
        flags: all others.
        workers: how many processes; several find each other by `TF_CONFIG`.
        cores: one for each process, which then has nothing but that; none to leave them all.
    """
    command = [sys.executable, "-m", "trainer.task", *flags, f"--workdir={workdir}"]
    processes = []
    try:
        for member in cluster.on_this_machine({"worker": workers}):
            environment = dict(os.environ)
            if workers > 1:
                environment["TF_CONFIG"] = member.to_json()
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
            processes.append(process)
            if cores:
                # Before it has imported TensorFlow, which makes a thread for each core it may use.
                os.sched_setaffinity(process.pid, {cores[member.index]})
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for_step(workdir: pathlib.Path, step: int, processes: Sequence[subprocess.Popen]) -> None:
    """Wait until a step is logged, with its time.

    Raises:
        RunError: a process ended before.
    """
    _wait(lambda: max(_times(workdir), default=0) >= step, f"step {step:,}", processes)


def wait_for_checkpoint(workdir: pathlib.Path, processes: Sequence[subprocess.Popen]) -> None:
    """Wait until a checkpoint stands, which is written while training goes on.

    Raises:
        RunError: a process ended before.
    """
    folder = workdir / "checkpoints"
    _wait(lambda: any(folder.glob("step-*")), "its first checkpoint", processes)


def _wait(reached: Callable[[], bool], what: str, processes: Sequence[subprocess.Popen]) -> None:
    while True:
        ended = any(process.poll() is not None for process in processes)
        if reached():
            return
        if ended:
            raise RunError(f"a worker ended before {what}")
        time.sleep(_POLL_SECONDS)


def steps_per_second(workdir: pathlib.Path, first: int, last: int) -> float:
    """Return steps/s between the first log lines at or after two steps."""
    times = _times(workdir)
    begin = min(step for step in times if step >= first)
    end = min(step for step in times if step >= last)
    return (end - begin) / (times[end] - times[begin])


def _times(workdir: pathlib.Path) -> dict[int, float]:
    """Return when each step was logged, by the clock, from TensorBoard's files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return {
        event.step: event.wall_time
        for path in sorted(workdir.glob(f"{run_dir.TENSORBOARD}/train/*"))
        for event in EventFileLoader(str(path)).Load()
        if event.HasField("summary")
    }
