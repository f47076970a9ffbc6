"""Several workers on this machine, as an orchestrator would start them: by TF_CONFIG."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tests.conftest import ROOT
from trainer.distribution.cluster import Cluster, on_this_machine

LIMIT = 280


def start(cluster: Cluster, *arguments: str, **environment: str) -> subprocess.Popen:
    """Starts one of them."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment, "TF_CONFIG": cluster.to_json()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def started(
    count: int, *arguments: str, own: Sequence[str] = (), **environment: str
) -> Iterator[list[subprocess.Popen]]:
    """Processes of `python -m …`, the chief first; killed at the end, if they are still there.

    Args:
        count: how many workers.
        *arguments: of all of them.
        own: one more argument of each.
        **environment: in which they differ from this process.
    """
    with started_as({"worker": count}, *arguments, own=own, **environment) as processes:
        yield processes


@contextlib.contextmanager
def started_as(
    counts: dict[str, int], *arguments: str, own: Sequence[str] = (), **environment: str
) -> Iterator[list[subprocess.Popen]]:
    """The same, so many of each type of task, in this order."""
    processes = []
    try:
        for index, cluster in enumerate(on_this_machine(counts)):
            processes.append(start(cluster, *arguments, *own[index : index + 1], **environment))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ended(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each, once all have ended."""
    outputs = [process.communicate(timeout=LIMIT) for process in processes]
    return [(p.returncode, *output) for p, output in zip(processes, outputs, strict=True)]


def run(count: int, *arguments: str, **more) -> list[tuple[int, str, str]]:
    """Starts workers, as `started` does, and waits for them."""
    with started(count, *arguments, **more) as processes:
        return ended(processes)


def wait_until(ready: Callable[[], bool], processes: Sequence[subprocess.Popen]) -> None:
    """Waits for something that processes bring about; none of them may end meanwhile."""
    deadline = time.monotonic() + LIMIT
    while not ready():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def signal_when(
    process: subprocess.Popen, ready: Callable[[], bool], number: signal.Signals
) -> None:
    """Sends a signal once something is so."""
    wait_until(ready, [process])
    process.send_signal(number)
