"""The processes of a cluster meet before TensorFlow connects them.

TensorFlow waits for them in C++, where no signal is heard, and names nobody. So each worker first
listens at its own address and asks all others, who answer `waiting`, or `ready` once they have
reached everybody. It goes on when all are ready; TensorFlow then takes the address over, and what
it answers to one that still asks counts as ready, too: as to a worker that was started again.
"""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor

from headrace.errors import StoppedError, UserError
from trainer.distribution import liveness
from trainer.distribution.cluster import Cluster, host_and_port

_WAITING, _READY = b"waiting\n", b"ready\n"
_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 1.0
_MAX_THREADS = 32  # a host that does not answer holds one for seconds

_Answers = dict[str, bytes | OSError]


def meet(cluster: Cluster, note: Callable[[str], None]) -> None:
    """Wait until all workers are there and have reached each other.

    Args:
        cluster: this process is one of its workers, or a chief that trains with them.
        note: called with lines for the user, about who is missing.

    Raises:
        StoppedError: another process has this worker's address.
        UserError: this worker cannot listen at its address for another reason.
    """
    peers = {name: at for name, at in cluster.trainers.items() if name != cluster.name}
    report = liveness.MissingReport(note)
    with _listening(cluster) as listener, ThreadPoolExecutor(_MAX_THREADS) as threads:
        while True:
            answers = _ask(peers, _state, threads)
            peers = {name: at for name, at in peers.items() if answers[name] != _READY}
            if not peers:
                return
            if all(answers[name] == _WAITING for name in peers):
                listener.answer = _READY
            report.update(_reasons(peers, answers))
            time.sleep(_POLL_SECONDS)


def wait_for(addresses: Mapping[str, str], note: Callable[[str], None]) -> None:
    """Wait until somebody listens at each address.

    Args:
        addresses: `host:port` by name.
        note: called with lines for the user, about who is missing.
    """
    report = liveness.MissingReport(note)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        while missing := _reasons(addresses, _ask(addresses, _presence, threads)):
            report.update(missing)
            time.sleep(_POLL_SECONDS)


def check_address(cluster: Cluster) -> None:
    """Make sure that this process can listen at its own address; errors as of `meet`."""
    _listen(cluster).close()


def _ask(
    addresses: Mapping[str, str], question: Callable[[str], bytes | OSError], threads: Executor
) -> _Answers:
    return dict(zip(addresses, threads.map(question, addresses.values()), strict=True))


def _presence(address: str) -> bytes | OSError:
    try:
        liveness.connect(address).close()
    except OSError as error:
        return error
    return _READY


def _state(address: str) -> bytes | OSError:
    """Return what a worker answers; of one that does not answer as we do, TensorFlow has taken the
    address over."""
    try:
        with liveness.connect(address) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(len(_WAITING))
                return _WAITING if answer == _WAITING else _READY if answer else _gone()
    except OSError as error:
        return error
    return _READY


def _gone() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, "Connection closed")


def _reasons(addresses: Mapping[str, str], answers: _Answers) -> dict[str, str]:
    """Return why each of those that are missing is; or, where none is, who does not go on."""
    missing = {
        name: f"{at}: {error.strerror or error}"
        for name, at in addresses.items()
        if isinstance(error := answers[name], OSError)
    }
    waiting = {name: f"{at}: it does not reach all others" for name, at in addresses.items()}
    return missing or {name: why for name, why in waiting.items() if answers[name] == _WAITING}


def _listen(cluster: Cluster) -> socket.socket:
    """Return a socket that listens where TensorFlow will: at the port, of all interfaces."""
    _, port = host_and_port(cluster.address)
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=128)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        remedy = "end the process that does" if taken else "give it another port"
        raise (StoppedError if taken else UserError)(
            f"{cluster.name} cannot listen at {cluster.address}, its own address "
            f"({error.strerror}); {remedy}, and start this one again"
        ) from None


class _Listener(threading.Thread):
    """Answers each connection with a line.

    Attributes:
        answer: the line.
    """

    def __init__(self, server: socket.socket) -> None:
        super().__init__(daemon=True)
        self.answer = _WAITING
        self._server = server

    def run(self) -> None:
        """Answer until the socket is shut down."""
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.sendall(self.answer)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[_Listener]:
    with _listen(cluster) as server:
        listener = _Listener(server)
        listener.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)  # unlike closing it, that ends `accept`
            listener.join()
