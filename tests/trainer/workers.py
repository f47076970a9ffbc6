"""Several workers on this machine, as an orchestrator would start them: by TF_CONFIG."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.conftest import ROOT
from trainer.cluster import Cluster

LIMIT = 240


@contextlib.contextmanager
def started(count: int, *arguments: str) -> Iterator[list[subprocess.Popen]]:
    """Processes of `python -m …`, the chief first; killed at the end, if they are still there."""
    addresses = {"worker": [f"localhost:{port}" for port in _free_ports(count)]}
    processes = []
    try:
        for index in range(count):
            environment = dict(os.environ)
            if count > 1:
                environment["TF_CONFIG"] = Cluster(addresses, "worker", index).to_json()
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *map(str, arguments)],
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ended(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each, once all have ended."""
    outputs = [process.communicate(timeout=LIMIT) for process in processes]
    return [(p.returncode, *output) for p, output in zip(processes, outputs, strict=True)]


def run(count: int, *arguments: str) -> list[tuple[int, str, str]]:
    """Starts workers and waits for them."""
    with started(count, *arguments) as processes:
        return ended(processes)


def signal_after(process: subprocess.Popen, path, number: signal.Signals) -> None:
    """Sends a signal once something is in a file or folder."""
    deadline = time.monotonic() + LIMIT
    while not _filled(path):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)


def _filled(path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
