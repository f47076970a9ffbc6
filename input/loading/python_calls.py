"""Calls that tf.data's threads make into Python, none of which may be under way when Python ends.

    with calls.under_way:
        …   # Python that a `tf.numpy_function` of a pipeline runs

A thread that calls Python while Python ends never comes back, and who takes the pipeline down waits
for it: the process would hang. A pipeline that nobody reads from comes to rest by itself.
"""

import atexit
import threading
import time

_QUIET_SECONDS, _MOST_SECONDS = 0.05, 10.0


class _UnderWay:
    """Counts the calls; at exit refuses new ones and waits for those there are."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._ended = False
        atexit.register(self._rest)

    def __enter__(self) -> None:
        if self._ended:
            raise RuntimeError("the program has ended")
        with self._lock:
            self._count += 1

    def __exit__(self, *_) -> None:
        with self._lock:
            self._count -= 1
            self._last = time.monotonic()

    def _rest(self) -> None:
        self._ended = True
        started = self._last = time.monotonic()
        while time.monotonic() - started < _MOST_SECONDS:
            if not self._count and time.monotonic() - self._last > _QUIET_SECONDS:
                return
            time.sleep(_QUIET_SECONDS / 5)


under_way = _UnderWay()
