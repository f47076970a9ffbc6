"""What follows from how workers ended."""

import signal

from headrace.errors import INTERRUPTED
from trainer.launcher import worker_exit
from trainer.launcher.worker_exit import StderrTail, WorkerExit

TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in <module>',
    "    f()",
)
PEER_GONE = "tensorflow.python.framework.errors_impl.UnavailableError: Connection reset by peer"


def stderr_tail(*lines: str) -> StderrTail:
    tail = StderrTail()
    for now, line in enumerate(lines):
        tail.append(line, now)
    return tail


def test_the_tail_has_the_error_of_the_last_traceback_and_date_from_its_start():
    tail = stderr_tail("noise", *TRACEBACK, "ValueError: boom", "more noise")
    assert (tail.error, tail.seconds) == ("ValueError: boom", 1)
    chained = stderr_tail(
        *TRACEBACK, "KeyError: 1", "", "During handling …", *TRACEBACK, "OSError: full"
    )
    assert (chained.error, chained.seconds) == ("OSError: full", 6)


def test_a_line_of_error_is_the_error_and_noise_is_none():
    assert (
        stderr_tail("W0000 00:00 noise", "error: --lanes is wrong").error
        == "error: --lanes is wrong"
    )
    assert stderr_tail("W0000 00:00 noise", "the error: none").error == ""


def test_the_first_to_fail_is_the_cause():
    killed, later = (
        WorkerExit("worker 1", -signal.SIGKILL, seconds=5.0),
        WorkerExit("worker 0", 1, 6.0, "ValueError: boom"),
    )
    assert worker_exit.root_cause([later, killed]) is killed
    assert worker_exit.root_cause([killed, later]) is killed


def test_a_worker_that_lost_its_peer_is_not_the_cause_even_if_it_ended_first():
    peer, failure = (
        WorkerExit("worker 0", 1, 5.0, PEER_GONE),
        WorkerExit("worker 1", 1, 6.0, "ValueError: boom"),
    )
    assert worker_exit.root_cause([peer, failure]) is failure
    assert (
        worker_exit.root_cause(
            [peer, WorkerExit("worker 1", -signal.SIGKILL, 7.0, was_signalled=True)]
        )
        is peer
    )


def test_workers_that_the_launcher_ended_are_not_the_cause():
    stopped = [
        WorkerExit("worker 0", -signal.SIGTERM, 1.0, was_signalled=True),
        WorkerExit("worker 1", -signal.SIGKILL, 2.0, "", True),
    ]
    failure = WorkerExit("worker 2", 1, 3.0)
    assert worker_exit.root_cause([*stopped, failure]) is failure
    assert (
        worker_exit.root_cause([WorkerExit("worker 0", -signal.SIGTERM, 1.0), failure]).worker
        == "worker 0"
    )


def test_a_users_error_is_told_from_a_crash_with_the_same_exit_code():
    assert WorkerExit("worker 0", 2, 0.0).is_user_error
    assert WorkerExit("worker 0", 1, 0.0, "error: the loss is nan").is_user_error
    assert not WorkerExit("worker 0", 1, 0.0, "ValueError: boom").is_user_error
    assert not WorkerExit("worker 0", INTERRUPTED, 0.0, "error: stopped at step 7").is_user_error
    assert not WorkerExit("worker 0", -signal.SIGKILL, 0.0).is_user_error


def test_after_a_signal_the_exit_code_says_whether_all_was_saved():
    saved, finished = (
        WorkerExit("worker 0", INTERRUPTED, 0.0, was_signalled=True),
        WorkerExit("worker 1", 0, 0.0),
    )
    lost_peer, killed = (
        WorkerExit("worker 2", 1, 0.0, PEER_GONE),
        WorkerExit("worker 3", -signal.SIGKILL, 0.0, was_signalled=True),
    )
    code = worker_exit.exit_code_after_signal
    assert code([finished], signal.SIGTERM) == 0
    assert code([finished, saved], signal.SIGTERM) == 75
    assert code([saved, lost_peer], signal.SIGTERM) == 75
    assert code([lost_peer], signal.SIGTERM) == 143
    assert code([saved, killed], signal.SIGINT) == 130
    assert worker_exit.unsaved([finished, saved, lost_peer, killed]) == [killed]
    assert str(killed) == "worker 3 had not ended when it was killed (SIGKILL)"


def test_a_worker_killed_by_a_signal_gives_the_exit_code_of_a_shell():
    assert worker_exit.exit_code(-signal.SIGKILL) == 137
    assert worker_exit.exit_code(3) == 3
