"""What follows from how workers ended."""

import signal

from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import INTERRUPTED
from trainer.launcher import worker_exit
from trainer.launcher.worker_exit import Attempt, Ending, LastWords

TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in <module>',
    "    f()",
)
PEER_GONE = "tensorflow.python.framework.errors_impl.UnavailableError: Connection reset by peer"


def heard(*lines: str) -> LastWords:
    words = LastWords()
    for now, line in enumerate(lines):
        words.hear(line, now)
    return words


def test_the_last_words_are_the_error_of_the_last_traceback_and_date_from_its_start():
    words = heard("noise", *TRACEBACK, "ValueError: boom", "more noise")
    assert (words.text, words.at) == ("ValueError: boom", 1)
    chained = heard(*TRACEBACK, "KeyError: 1", "", "During handling …", *TRACEBACK, "OSError: full")
    assert (chained.text, chained.at) == ("OSError: full", 6)


def test_a_line_of_error_is_the_last_words_and_noise_is_none():
    assert heard("W0000 00:00 noise", "error: --lanes is wrong").text == "error: --lanes is wrong"
    assert heard("W0000 00:00 noise", "the error: none").text == ""


def test_the_first_to_fail_is_the_cause():
    killed, later = (
        Ending("worker 1", -signal.SIGKILL, at=5.0),
        Ending("worker 0", 1, 6.0, "ValueError: boom"),
    )
    assert worker_exit.cause([later, killed]) is killed
    assert worker_exit.cause([killed, later]) is killed


def test_a_worker_that_lost_its_peer_is_not_the_cause_even_if_it_ended_first():
    peer, culprit = (
        Ending("worker 0", 1, 5.0, PEER_GONE),
        Ending("worker 1", 1, 6.0, "ValueError: boom"),
    )
    assert worker_exit.cause([peer, culprit]) is culprit
    assert worker_exit.cause([peer, Ending("worker 1", -signal.SIGKILL, 7.0, told=True)]) is peer


def test_workers_that_the_launcher_ended_are_not_the_cause():
    stopped = [
        Ending("worker 0", -signal.SIGTERM, 1.0, told=True),
        Ending("worker 1", -signal.SIGKILL, 2.0, "", True),
    ]
    culprit = Ending("worker 2", 1, 3.0)
    assert worker_exit.cause([*stopped, culprit]) is culprit
    assert (
        worker_exit.cause([Ending("worker 0", -signal.SIGTERM, 1.0), culprit]).worker == "worker 0"
    )


def test_a_mistake_is_told_from_a_crash_with_the_same_exit_code():
    assert Ending("worker 0", 2, 0.0).is_mistake
    assert Ending("worker 0", 1, 0.0, "error: the loss is nan").is_mistake
    assert not Ending("worker 0", 1, 0.0, "ValueError: boom").is_mistake
    assert not Ending("worker 0", INTERRUPTED, 0.0, "error: stopped at step 7").is_mistake
    assert not Ending("worker 0", -signal.SIGKILL, 0.0).is_mistake


def test_after_a_signal_the_exit_code_says_whether_all_was_saved():
    saved, finished = Ending("worker 0", INTERRUPTED, 0.0, told=True), Ending("worker 1", 0, 0.0)
    lost_peer, killed = (
        Ending("worker 2", 1, 0.0, PEER_GONE),
        Ending("worker 3", -signal.SIGKILL, 0.0, told=True),
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


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_fewer_workers_divide_the_lanes_and_are_no_fewer_than_allowed(workers, fewest, lanes):
    found = worker_exit.sizes(workers, fewest, lanes)
    assert found == sorted(found, reverse=True)
    assert all(fewest <= count < workers and lanes % count == 0 for count in found)
    if fewest == 1 < workers:
        assert found[-1] == 1


def test_as_many_workers_start_again_up_to_max_restarts_times():
    died = [Attempt(2, culprit="worker 1", seconds=1.0)] * 4
    assert [worker_exit.next_workers(died[: n + 1], 3, []) for n in range(4)] == [2, 2, 2, None]
    assert worker_exit.next_workers(died[:1], 0, []) is None


def test_fewer_go_on_when_the_same_worker_dies_twice_soon_after_a_start():
    soon = [Attempt(4, culprit="worker 1", seconds=5.0)] * 2
    assert worker_exit.next_workers(soon[:1], 3, [2, 1]) == 4
    assert worker_exit.next_workers(soon, 3, [2, 1]) == 2
    assert worker_exit.next_workers(soon, 3, []) == 4


def test_a_worker_that_had_trained_a_while_or_another_one_is_started_again():
    lasted = [Attempt(4, "worker 1", 600.0), Attempt(4, "worker 1", 5.0)]
    assert worker_exit.next_workers(lasted, 3, [2]) == 4
    assert worker_exit.next_workers(lasted[::-1], 3, [2]) == 4
    assert (
        worker_exit.next_workers([Attempt(4, "worker 1", 5.0), Attempt(4, "worker 2", 5.0)], 3, [2])
        == 4
    )


@given(
    st.lists(st.tuples(st.integers(0, 7), st.floats(0, 1000)), min_size=64, max_size=64),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_a_job_that_always_dies_is_given_up_after_so_many_restarts_at_most(deaths, most, fewest):
    smaller = worker_exit.sizes(8, fewest, 8)
    attempts, count = [], 8
    for culprit, seconds in deaths:
        attempts.append(Attempt(count, culprit, seconds))
        count = worker_exit.next_workers(attempts, most, smaller)
        if count is None:
            break
    assert count is None
    assert attempts[-1].workers == min([8, *smaller])
    assert len(attempts) <= (most + 1) * (len(smaller) + 1)
