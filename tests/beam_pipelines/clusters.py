"""Real clusters on this machine, for tests: started here, and gone with the `with` block.

with dask(folder) as flags:
    prepare(source, output, *flags)
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

# Long enough for the first start of all, which fetches the jars.
_LIMIT_SECONDS = 600
_BIN = pathlib.Path(sys.executable).parent


@contextlib.contextmanager
def local(mode: str, workers: int) -> Iterator[list[str]]:
    """Beam's own runner."""
    yield [f"--direct_running_mode={mode}", f"--direct_num_workers={workers}"]


@contextlib.contextmanager
def flink(folder: pathlib.Path, workers: str) -> Iterator[list[str]]:
    """Flink inside its job server.

    Args:
        folder: for logs and what it writes.
        workers: `LOOPBACK`, threads of the program that starts the job; or `EXTERNAL`, processes
            of a worker pool.
    """
    _check_installed("java", "mvn")
    log = folder / "job_server.log"
    with contextlib.ExitStack() as running:
        running.enter_context(_process([ROOT / "deploy/flink/job_server", "--job-port=0"], log))
        port = _wait_for(lambda: _found(r"JobService started on localhost:(\d+)", log), log)
        flags = [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{port}",
            f"--environment_type={workers}",
            "--parallelism=2",
        ]
        if workers == "EXTERNAL":
            flags.append(f"--environment_config={running.enter_context(_worker_pool(folder))}")
        yield flags


@contextlib.contextmanager
def dask(folder: pathlib.Path) -> Iterator[list[str]]:
    """A Dask scheduler and two worker processes of one thread each."""
    contact, log, workers_log = (folder / name for name in ("dask.json", "dask.log", "workers.log"))
    host = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = [_BIN / "dask", "scheduler", *host, "--port", "0", "--scheduler-file", contact]
    worker = [_BIN / "dask", "worker", "--scheduler-file", contact, *host]
    worker += ["--nworkers", "2", "--nthreads", "1", "--local-directory", folder]
    with _process(scheduler, log):
        address = _wait_for(lambda: contact.exists() and json.loads(contact.read_text()), log)
        with _process(worker, workers_log):
            _wait_for(lambda: workers_log.read_text().count("Registered to") == 2, workers_log)
            yield [
                "--runner=DaskRunner",
                f"--dask_client_address={address['address']}",
                "--dask_npartitions=4",
            ]


@contextlib.contextmanager
def _worker_pool(folder: pathlib.Path) -> Iterator[str]:
    log = folder / "worker_pool.log"
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    pool = "apache_beam.runners.worker.worker_pool_main"
    with _process([sys.executable, "-m", pool, f"--service_port={port}"], log):
        _wait_for(lambda: _listens(port), log)
        yield f"localhost:{port}"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _process(command: list, log: pathlib.Path) -> Iterator[None]:
    """A process and all it starts, which end with the block."""
    # Workers import this package, and a pool starts what is called `python`.
    path = os.pathsep.join([str(_BIN), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "TMPDIR": str(log.parent)}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=log.parent,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(condition: Callable[[], Any], log: pathlib.Path) -> Any:
    """What the condition gives, once it is something."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ValueError):  # half-written JSON
            if result := condition():
                return result
        time.sleep(0.05)
    raise TimeoutError(f"not up after {_LIMIT_SECONDS} s:\n{log.read_text()}")


def _found(pattern: str, log: pathlib.Path) -> str | None:
    match = re.search(pattern, log.read_text())
    return match and match[1]


def _check_installed(*programs: str) -> None:
    """A user may lack Java; a machine that decides whether the code is right may not."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"{' and '.join(missing)} not found: install a JRE of Java 17 or newer, and Maven")
