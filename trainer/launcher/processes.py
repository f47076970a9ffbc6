"""Worker processes on this machine: started together, shown line by line, and ended together.

None outlives this process: each asks Linux to be killed when its parent is gone, by whatever way,
and what a worker has started itself is killed with its process group. Linux only.
"""

import asyncio
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TextIO

from rich.console import Console

from headrace import parent_death, stdio
from headrace.errors import INTERRUPTED
from trainer.launcher.worker_exit import StderrTail, WorkerExit

_LONGEST_LINE = 1 << 16  # bytes; a longer one is shown in pieces
_LAST_LINES_SECONDS = 2.0  # for what is still in the pipes of a worker that has ended
_PEER_SECONDS = 2.0  # for the worker that another one blames to be gone, too

_STYLES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")


class Output:
    """Standard output and error of all workers: whole lines, each after its worker's name."""

    def __init__(self) -> None:
        self._consoles = {sys.stdout: Console(file=sys.stdout), sys.stderr: Console(stderr=True)}
        self._errors: dict[bytes, str] = {}
        self._styles: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Show a line of the launcher itself, on standard error."""
        self._write(sys.stderr, "launch", "bold", text.encode())

    def show(self, stream: TextIO, worker: str, line: bytes) -> None:
        """Show a worker's line; an error that another worker has shown already is left out.

        Args:
            stream: `sys.stdout` or `sys.stderr`.
            worker: name of the worker.
            line: the line, without its end.
        """
        if line.startswith(b"error: ") and self._errors.setdefault(line, worker) != worker:
            return
        style = self._styles.setdefault(worker, _STYLES[len(self._styles) % len(_STYLES)])
        self._write(stream, worker, style, line)

    def _write(self, stream: TextIO, name: str, style: str, line: bytes) -> None:
        console = self._consoles[stream]
        with console.capture() as prefix:
            console.print(f"[{name}]", style=style, markup=False, highlight=False, end="")
        try:
            stream.buffer.write(prefix.get().encode() + b" " + line + b"\n")
            stream.flush()
        except OSError:  # nobody reads it any more: training goes on
            stdio.discard(stream)


class StopRequests:
    """The signals that ask this process to stop, from when it is made; needs a running loop.

    Attributes:
        stop: has the number of the first signal as its result.
        kill: is done when Ctrl-C came after that.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self.stop: asyncio.Future[int] = loop.create_future()
        self.kill: asyncio.Future[None] = loop.create_future()
        self._say = say
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
                loop.add_signal_handler(number, self._receive, number)

    def _receive(self, number: int) -> None:
        if not self.stop.done():
            self.stop.set_result(number)
            self._say(
                f"{signal.Signals(number).name}: telling the workers to save and stop; "
                "Ctrl-C (again) kills them"
            )
        elif number == signal.SIGINT and not self.kill.done():
            self.kill.set_result(None)


async def run(
    command: Sequence[str],
    environments: Mapping[str, Mapping[str, str]],
    requests: StopRequests,
    grace_seconds: float,
    output: Output,
    restarts: Mapping[str, int],
) -> list[WorkerExit]:
    """Run a command once with each environment, until all have ended.

    When one fails, or this process is asked to stop, the others are sent SIGTERM, and are killed
    if they have not ended after `grace_seconds`, or at once when Ctrl-C comes again. When one was
    interrupted from outside, the others save the same step: they have as long to end by themselves.

    Args:
        command: command of each worker.
        environments: environment of each, by its name.
        requests: signals that ask to stop.
        grace_seconds: seconds that workers have to end after SIGTERM.
        output: where the lines of the workers go.
        restarts: how often a worker of this name is started again by itself when it fails, because
            the others go on without it; none for one that is not there.

    Returns:
        How each ended, in the order of the environments.
    """
    workers: list[_Worker] = []
    try:
        for name, environment in environments.items():
            worker = _Worker(name, command, environment, output, restarts.get(name, 0))
            workers.append(worker)
        exits = [asyncio.create_task(worker.exit()) for worker in workers]
        await _until_one_fails(exits, requests, grace_seconds)
        await _stop(workers, exits, requests, grace_seconds)
        return [each.result() for each in exits]
    finally:
        for worker in workers:
            worker.kill()


async def _until_one_fails(
    exits: list[asyncio.Task[WorkerExit]], requests: StopRequests, grace_seconds: float
) -> None:
    """Wait until all have ended, or the rest is to be stopped."""
    running: set[asyncio.Future] = {*exits}
    patience: float | None = None
    while running:
        waiting: set[asyncio.Future] = {*running, requests.stop}
        ended, _ = await asyncio.wait(
            waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if not ended or requests.stop in ended:
            return
        running -= ended
        latest = [task.result() for task in ended]
        if any(each.failed and not each.blames_peer for each in latest):
            return
        if any(each.failed for each in latest):
            patience = _PEER_SECONDS
        elif any(each.code == INTERRUPTED for each in latest):
            patience = grace_seconds


async def _stop(
    workers: list["_Worker"],
    exits: list[asyncio.Task[WorkerExit]],
    requests: StopRequests,
    grace_seconds: float,
) -> None:
    """End the workers that have not ended."""
    for worker in workers:
        worker.terminate()
    everyone = asyncio.gather(*exits)
    waiting: set[asyncio.Future] = {everyone, requests.kill}
    await asyncio.wait(waiting, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        worker.kill()
    await everyone


class _Worker:
    """A process that leads its own group, so that the terminal's Ctrl-C does not reach it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Output,
        restarts: int,
    ) -> None:
        self._name, self._command, self._environment = name, command, environment
        self._output, self._restarts = output, restarts
        self._stopping = False
        self._start()

    def _start(self) -> None:
        self._stderr_tail = StderrTail()
        self._was_signalled = False
        self._process = subprocess.Popen(
            self._command,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._environment, "PYTHONUNBUFFERED": "1"},
            process_group=0,
            # Safe here, where there are no threads. It holds for the program that is started, too.
            preexec_fn=functools.partial(parent_death.kill_with_parent, os.getpid()),
        )
        self._relays = [
            asyncio.create_task(self._relay(self._process.stdout, sys.stdout)),
            asyncio.create_task(self._relay(self._process.stderr, sys.stderr)),
        ]

    async def exit(self) -> WorkerExit:
        """Wait until it has ended for good."""
        while True:
            latest = await self._exit()
            if not latest.failed or latest.is_user_error or self._stopping or not self._restarts:
                return latest
            self._restarts -= 1
            self._output.say(f"{latest}; starting it again, the others go on")
            self._start()

    async def _exit(self) -> WorkerExit:
        """Wait until it has ended, and its last lines are shown."""
        await _process_end(self._process.pid)
        seconds, was_signalled = time.monotonic(), self._was_signalled
        self.kill()  # those that it started; the group is still its own, as it is not reaped
        code = self._process.wait()
        await asyncio.wait(self._relays, timeout=_LAST_LINES_SECONDS)
        tail = self._stderr_tail
        return WorkerExit(self._name, code, tail.seconds or seconds, tail.error, was_signalled)

    def terminate(self) -> None:
        """Ask it to save and end, if it has not."""
        self._stopping = True
        if self._process.returncode is None:
            self._was_signalled = True
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its group, if it has not ended."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _relay(self, pipe: IO[bytes] | None, stream: TextIO) -> None:
        """Show the lines of a pipe until it ends."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        rest = b""
        while read := await reader.read(_LONGEST_LINE):
            *lines, rest = (rest + read).split(b"\n")
            if len(rest) >= _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._show(stream, line)
        if rest:
            self._show(stream, rest)

    def _show(self, stream: TextIO, line: bytes) -> None:
        if stream is sys.stderr:
            self._stderr_tail.append(line.decode(errors="replace"), time.monotonic())
        self._output.show(stream, self._name, line)


async def _process_end(pid: int) -> None:
    """Wait until a child has ended, and do not reap it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
