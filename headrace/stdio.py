"""The standard streams: output that nobody reads any more, and what C libraries write to errors.

with stdio.end_when_unread():
    with stdio.filter_stderr():
        main()
"""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

from headrace import stderr_filter

# What a shell gives for a program that SIGPIPE ended, as it ends those that are not Python.
_UNREAD = 141

_LAST_LINES_SECONDS = 2.0  # for the filter to end; processes that were left behind hold it up

_filters = 0


def discard(*streams: TextIO) -> None:
    """Send nowhere what is written to these streams from now on, as nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_error(line: str) -> None:
    """Write a line to standard error, if anybody reads it; may be called by a signal handler."""
    try:
        os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="backslashreplace"))
    except OSError:  # as when a terminal has gone: what counts is how the program ends
        discard(sys.stdout, sys.stderr)


@contextlib.contextmanager
def end_when_unread() -> Iterator[None]:
    """End the program without a word when nobody reads standard output any more.

    So it does in `… | head`, which has enough. A pipe that breaks elsewhere raises as ever.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if not any(event & select.POLLERR for _, event in poll.poll(0)):
            raise  # it was another pipe
        discard(sys.stdout)  # or Python would complain of what is left to write when it ends
        sys.exit(_UNREAD)


@contextlib.contextmanager
def filter_stderr() -> Iterator[None]:
    """Count what libraries that decode images write to standard error, and pass the rest on.

    They are written in C and write to the file descriptor itself. See `stderr_filter`, which is a
    process that all lines of this one and of its children go through.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # it is closed, or there is no room for a process
            stack.enter_context(_filter())
        yield


def name_image(name: str) -> None:
    """Say which image is decoded from here on, for messages about it; nothing for none."""
    if _filters:
        os.write(2, stderr_filter.NAME + os.fsencode(name).replace(b"\n", b" ") + b"\n")


@contextlib.contextmanager
def _filter() -> Iterator[None]:
    global _filters
    stderr = os.dup(2)
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", stderr_filter.__file__],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # it is not in the group that Ctrl-C and a launcher signal
        )
        os.dup2(writer, 2)
    except OSError:
        os.close(stderr)
        raise
    finally:
        os.close(reader)
        os.close(writer)
    _filters += 1
    try:
        yield
    finally:
        _filters -= 1
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_LINES_SECONDS)
