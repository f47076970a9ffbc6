"""Whether other processes of a cluster are there: does anybody listen at their addresses?"""

import socket
import time
from collections.abc import Callable, Mapping

_TRIES = 3  # of one that was there, until it is taken to be gone
_PATIENCE_SECONDS = 10.0


def is_there(address: str) -> bool:
    """Whether a connection to `host:port` is taken."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True
    except OSError:
        return False


def wait_for(addresses: Mapping[str, str], note: Callable[[str], None]) -> None:
    """Waits until all of them are there; after some seconds, says for which.

    Args:
        addresses: `host:port` by the name to call it.
        note: called with lines for the user.
    """
    missing, started, told = dict(addresses), time.monotonic(), False
    while missing := {name: at for name, at in missing.items() if not is_there(at)}:
        if not told and time.monotonic() - started >= _PATIENCE_SECONDS:
            names = ", ".join(f"{name} ({address})" for name, address in missing.items())
            note(f"waiting for {names}")
            told = True
        time.sleep(0.2)


class Watch:
    """Watches one of them, from when it comes until it goes.

    Attributes:
        came: whether it was ever there.
    """

    def __init__(self, address: str) -> None:
        self.came = False
        self._address, self._missed = address, 0

    def is_gone(self) -> bool:
        """Whether it was there and is not any more; to be asked about once a second."""
        if is_there(self._address):
            self.came, self._missed = True, 0
        else:
            self._missed += 1
        return self.came and self._missed >= _TRIES
