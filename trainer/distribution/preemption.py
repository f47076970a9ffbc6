"""Being asked to stop: by a signal, or because the time is up.

    with Preemption(max_minutes=60) as preemption:
        while …:
            …                                  # a call into the graph
            preemption.has_work = True         # from here on there is something to save
            if preemption.signalled or preemption.deadline_passed: …

SIGTERM is what orchestrators send before they take a machine away, SIGINT is Ctrl-C, SIGHUP is a
terminal that goes. They are only noted, and heard between calls into the graph; a second Ctrl-C
ends the process at once, and so does the first signal while there is nothing to save.

A process of a cluster calls `hold_signals` before it imports TensorFlow, and makes its strategy
within `native_wait`, so that no signal is lost while TensorFlow connects it to the others.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

from headrace import stdio
from headrace.errors import INTERRUPTED

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_HELD = (signal.SIGTERM, signal.SIGHUP)


class Preemption:
    """Listens for signals while it is entered, and knows the time.

    Attributes:
        signalled: whether a signal came.
        has_work: whether something would be lost if the process ended at once.
    """

    def __init__(
        self,
        max_minutes: float | None = None,
        *,
        work: str = "saving",
        idle: str = "before there was anything to save",
    ) -> None:
        """Start the clock.

        Args:
            max_minutes: minutes until the deadline; None for none.
            work: what the process does after a signal, for the line that says so.
            idle: when it was that a signal found no work.
        """
        self.signalled = self.has_work = False
        self._work, self._idle = work, idle
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Preemption":
        for number in _SIGNALS:
            ignored = signal.getsignal(number) == signal.SIG_IGN
            if not (ignored and number == signal.SIGHUP):  # as nohup sets it
                self._handlers[number] = signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        return self

    def __exit__(self, *_: object) -> None:
        _set_handlers(self._handlers)

    @property
    def deadline_passed(self) -> bool:
        """Whether the minutes that were given have passed, and not all of them with starting: each
        start gets somewhere."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return self.has_work and late

    def _handle(self, number: int, _: object) -> None:
        if self.signalled and number == signal.SIGINT:
            os._exit(128 + signal.SIGINT)
        if not self.has_work:
            stdio.write_error(f"interrupted {self._idle}")
            os._exit(INTERRUPTED)
        if not self.signalled:
            stdio.write_error(f"interrupted: {self._work}; once more to end at once, without")
        self.signalled = True


def hold_signals() -> None:
    """Hold SIGTERM and SIGHUP back until a `Preemption` is entered.

    To be called at the start of a program: a thread that took the signal would run TensorFlow's own
    handler of SIGTERM, which does nothing. Threads of TensorFlow, made later, inherit that they
    take none. Those that NumPy's BLAS has made already do not: the process begins once more, by
    the same command, as signals that are held back stay so.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    if not held.issuperset(_HELD):
        os.execv(sys.executable, sys.orig_argv)


@contextlib.contextmanager
def native_wait(max_seconds: int) -> Iterator[None]:
    """Bound a call that waits for other processes in C++, and lose no signal meanwhile.

    TensorFlow holds Python's lock while it waits, so that neither a handler nor a thread of Python
    runs, and sets a handler of SIGTERM that nobody hears. SIGTERM and SIGHUP are heard when the
    call is over; Ctrl-C ends the process at once, and so does the kernel (SIGALRM) when the call
    takes longer than `max_seconds`.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.alarm(max_seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        _set_handlers(handlers)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _set_handlers(handlers: dict) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
