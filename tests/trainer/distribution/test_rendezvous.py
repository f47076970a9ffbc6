"""Workers meet: real sockets, and a process of its own for each."""

import contextlib
import queue
import socket
import threading
import time

import pytest

from headrace.errors import StoppedError
from tests.trainer import workers
from trainer.distribution import liveness, rendezvous
from trainer.distribution.cluster import Cluster, on_this_machine

LIMIT = 60


class Meeting:
    """A process of `tests.trainer.meeting`."""

    def __init__(self, cluster: Cluster) -> None:
        self.process = workers.start(cluster, "tests.trainer.meeting")
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.strip())

    def says(self, *words: str) -> None:
        """Wait until it says a line with all of these words."""
        deadline = time.monotonic() + LIMIT
        while (line := self._lines.get(timeout=LIMIT)) and not all(word in line for word in words):
            assert time.monotonic() < deadline

    def waits(self) -> None:
        """Make sure that it asks twice more, and does not go on."""
        for _ in range(2):
            assert self._lines.get(timeout=LIMIT).startswith("waiting for ")


@pytest.fixture
def start():
    """Start meetings; they are killed at the end."""
    with contextlib.ExitStack() as stack:

        def starting(cluster: Cluster) -> Meeting:
            meeting = Meeting(cluster)
            stack.callback(meeting.process.wait)
            stack.callback(meeting.process.kill)
            return meeting

        yield starting


@pytest.mark.parametrize("counts", [{"worker": 4}, {"chief": 1, "worker": 1}])
def test_all_go_on_once_all_are_there_and_their_addresses_are_free_again(start, counts):
    for meeting in [start(cluster) for cluster in on_this_machine(counts)]:
        meeting.says("met")


def test_none_goes_on_before_the_last_one_is_there_and_that_one_is_named(start):
    *early, late = on_this_machine({"worker": 3})
    waiting = [start(cluster) for cluster in early]
    for meeting in waiting:
        meeting.says(f"waiting for worker 2 ({late.address}: Connection refused)")
        meeting.waits()
    for meeting in [*waiting, start(late)]:
        meeting.says("met")


def test_one_that_ends_while_it_waits_is_missing_again_and_its_successor_is_welcome(start):
    first, second, third = on_this_machine({"worker": 3})
    stays, goes = start(first), start(second)
    goes.says("waiting for worker 2")
    stays.says("waiting for worker 2")
    goes.process.kill()
    stays.says("worker 1", "worker 2")
    for meeting in [start(third), start(second), stays]:
        meeting.says("met")


def test_one_that_starts_again_finds_the_others_in_tensorflow(start):
    first, second = on_this_machine({"worker": 2})
    stays, goes = start(first), start(second)
    stays.says("met")
    goes.says("met")
    goes.process.kill()
    goes.process.wait()
    start(second).says("met")


def test_a_host_that_does_not_resolve_is_asked_again_and_named_with_the_reason(start):
    local, _ = on_this_machine({"worker": 2})
    addresses = [local.address, "no-such-host.invalid:2222"]
    meeting = start(Cluster({"worker": addresses}, "worker", 0))
    for _ in range(2):
        meeting.says("waiting for worker 1 (no-such-host.invalid:2222: ")
    meeting.waits()


def test_one_that_does_not_reach_all_others_is_named_by_those_that_do(start):
    """As where a name resolves on one machine, and on another it does not."""
    first, second, third = on_this_machine({"worker": 3})
    addresses = [first.address, second.address, "no-such-host.invalid:2222"]
    start(third)
    start(Cluster({"worker": addresses}, "worker", 1)).says("worker 2 (no-such-host.invalid:2222")
    meeting = start(first)
    meeting.says(f"worker 1 ({second.address}: it does not reach all others)")
    meeting.waits()


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_worker_whose_address_is_taken_says_so_at_once(host):
    _, cluster = on_this_machine({"worker": 2})
    port = int(cluster.address.rpartition(":")[2])
    with socket.create_server((host, port)):
        for call in (rendezvous.check_address, lambda each: rendezvous.meet(each, print)):
            with pytest.raises(StoppedError, match=f"^worker 1 cannot listen at {cluster.address}"):
                call(cluster)


def test_waiting_for_servers_ends_when_all_are_there_at_once():
    with socket.create_server(("localhost", 0)) as one, socket.create_server(("", 0)) as other:
        addresses = {
            name: f"localhost:{server.getsockname()[1]}"
            for name, server in (("worker 0", one), ("ps 0", other))
        }
        rendezvous.wait_for(addresses, print)


def test_a_server_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(liveness, "_FIRST_REPORT_SECONDS", 0.0)
    lines: queue.Queue = queue.Queue()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        waiting = threading.Thread(
            target=rendezvous.wait_for, args=({"ps 0": address}, lines.put), daemon=True
        )
        waiting.start()
        assert lines.get(timeout=LIMIT) == f"waiting for ps 0 ({address}: Connection refused)"
        bound.listen()
        waiting.join(timeout=LIMIT)
        assert not waiting.is_alive()
