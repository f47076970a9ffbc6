"""Whether other processes of a cluster are there: does anybody listen at their addresses?"""

import socket
import time
from collections.abc import Callable, Mapping

from trainer.distribution.cluster import host_and_port

_MAX_MISSES = 3  # of one that was there, until it is taken to be down
_CONNECT_SECONDS = 2.0

_FIRST_REPORT_SECONDS = 10.0
_REPORT_EVERY_SECONDS = 60.0


def connect(address: str) -> socket.socket:
    """Return a connection to `host:port`.

    Raises:
        OSError: nobody listens there, or there is no such host, as far as is known now.
    """
    return socket.create_connection(host_and_port(address), timeout=_CONNECT_SECONDS)


class LivenessProbe:
    """Watches one process, from when it comes until it goes.

    Attributes:
        seen: whether it was ever there.
    """

    def __init__(self, address: str) -> None:
        self.seen = False
        self._address, self._misses = address, 0

    def is_down(self) -> bool:
        """Return whether it was there and is not any more; to be called about once a second."""
        try:
            connect(self._address).close()
            self.seen, self._misses = True, 0
        except OSError:
            self._misses += 1
        return self.seen and self._misses >= _MAX_MISSES


class MissingReport:
    """Says for whom a process waits: after some seconds, and then every minute."""

    def __init__(self, note: Callable[[str], None]) -> None:
        """Start the clock.

        Args:
            note: called with lines for the user.
        """
        self._note = note
        self._due = time.monotonic() + _FIRST_REPORT_SECONDS

    def update(self, missing: Mapping[str, str]) -> None:
        """Say who is missing, if it is time to.

        Args:
            missing: what is known of each, such as its address and an error, by its name.
        """
        if missing and time.monotonic() >= self._due:
            self._due = time.monotonic() + _REPORT_EVERY_SECONDS
            self._note(f"waiting for {', '.join(f'{n} ({why})' for n, why in missing.items())}")
