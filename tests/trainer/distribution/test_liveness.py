"""Whether somebody listens at an address."""

import socket

import pytest

from trainer.distribution import liveness
from trainer.distribution.liveness import LivenessProbe, MissingReport


def listener() -> socket.socket:
    return socket.create_server(("localhost", 0))


def address(server: socket.socket) -> str:
    return f"localhost:{server.getsockname()[1]}"


def test_one_that_never_came_is_not_down():
    with socket.socket() as bound:  # and does not listen
        bound.bind(("localhost", 0))
        probe = LivenessProbe(address(bound))
        assert not any(probe.is_down() for _ in range(10))
        assert not probe.seen


def test_one_that_came_is_down_when_it_is_missed_several_times():
    with listener() as one:
        probe = LivenessProbe(address(one))
        assert not probe.is_down()
        assert probe.seen
    assert [probe.is_down() for _ in range(4)] == [False, False, True, True]


def test_one_that_comes_again_in_time_was_never_down():
    with listener() as one:
        probe, port = LivenessProbe(address(one)), one.getsockname()[1]
        probe.is_down()
    assert not probe.is_down()
    with socket.create_server(("localhost", port)):
        assert not probe.is_down()
    assert [probe.is_down() for _ in range(2)] == [False, False]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "[::1]"])
def test_a_host_that_does_not_answer_or_does_not_exist_is_not_there(host):
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        with pytest.raises(OSError, match=r".+"):
            liveness.connect(f"{host}:{bound.getsockname()[1]}")


def test_who_is_missing_is_said_after_a_while_and_then_again(monkeypatch):
    lines: list[str] = []
    report = MissingReport(lines.append)
    report.update({"worker 1": "a:1"})
    assert lines == []
    monkeypatch.setattr(liveness, "_FIRST_REPORT_SECONDS", 0.0)
    report = MissingReport(lines.append)
    report.update({})
    report.update({"worker 1": "a:1", "ps 0": "b:2"})
    report.update({"worker 1": "a:1"})
    assert lines == ["waiting for worker 1 (a:1), ps 0 (b:2)"]
    monkeypatch.setattr(liveness, "_REPORT_EVERY_SECONDS", 0.0)
    report = MissingReport(lines.append)
    for _ in range(2):
        report.update({"worker 1": "a:1"})
    assert lines[1:] == ["waiting for worker 1 (a:1)"] * 2
