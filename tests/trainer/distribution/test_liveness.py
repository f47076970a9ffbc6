"""Whether somebody listens at an address."""

import socket

from trainer.distribution import liveness


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("localhost", 0))
    made.listen()
    return made


def address(of: socket.socket) -> str:
    return f"localhost:{of.getsockname()[1]}"


def test_one_that_never_came_is_not_gone():
    with socket.socket() as bound:  # and does not listen
        bound.bind(("localhost", 0))
        watch = liveness.Watch(address(bound))
        assert not any(watch.is_gone() for _ in range(10))
        assert not watch.came


def test_one_that_came_is_gone_when_it_is_missed_several_times():
    with listener() as one:
        watch = liveness.Watch(address(one))
        assert not watch.is_gone()
        assert watch.came
    found = [watch.is_gone() for _ in range(4)]
    assert found == [False, False, True, True]


def test_one_that_comes_again_in_time_was_never_gone():
    with listener() as one:
        watch, port = liveness.Watch(address(one)), one.getsockname()[1]
        watch.is_gone()
    assert not watch.is_gone()
    with socket.create_server(("localhost", port)):
        assert not watch.is_gone()
    assert [watch.is_gone() for _ in range(2)] == [False, False]


def test_waiting_ends_when_all_are_there():
    with listener() as one, listener() as other:
        liveness.wait_for({"worker 0": address(one), "ps 0": address(other)}, print)
