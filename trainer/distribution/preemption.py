"""Being asked to stop: by a signal, or because the time is up.

    with Interruption(max_minutes=60) as interruption:
        while …:
            …                                  # a call into the graph
            interruption.has_work = True       # from here on there is something to save
            if interruption.signalled or interruption.time_is_up: …

SIGTERM is what orchestrators send before they take a machine away, SIGINT is Ctrl-C, SIGHUP is a
terminal that goes. They are only noted, and heard between calls into the graph; a second Ctrl-C
ends the process at once, and so does the first signal while there is nothing to save.
"""

import os
import signal
import time

from headrace import stdio
from headrace.errors import INTERRUPTED

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interruption:
    """Listens for signals while it is entered, and knows the time.

    Attributes:
        signalled: whether a signal came.
        has_work: whether something would be lost if the process ended at once.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self.signalled = self.has_work = False
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
        self._before = {}

    def __enter__(self) -> "Interruption":
        # After a strategy over several workers was made: with it TensorFlow catches SIGTERM itself.
        for number in _SIGNALS:
            ignored = signal.getsignal(number) == signal.SIG_IGN
            if not (ignored and number == signal.SIGHUP):  # as nohup sets it
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def time_is_up(self) -> bool:
        """Whether the minutes that were given have passed, and not all of them with starting: each
        start gets somewhere."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return self.has_work and late

    def _hear(self, number: int, _) -> None:
        if self.signalled and number == signal.SIGINT:
            os._exit(128 + signal.SIGINT)
        if not self.has_work:
            stdio.write_error("interrupted before there was anything to save")
            os._exit(INTERRUPTED)
        if not self.signalled:
            stdio.write_error("interrupted: saving; once more to end at once, without")
        self.signalled = True
