"""How many workers start again."""

from hypothesis import given
from hypothesis import strategies as st

from trainer.launcher import restart_policy
from trainer.launcher.restart_policy import Attempt


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_fewer_workers_divide_the_lanes_and_are_no_fewer_than_allowed(workers, fewest, lanes):
    counts = restart_policy.smaller_counts(workers, fewest, lanes)
    assert counts == sorted(counts, reverse=True)
    assert all(fewest <= count < workers and lanes % count == 0 for count in counts)
    if fewest == 1 < workers:
        assert counts[-1] == 1


def test_as_many_workers_start_again_up_to_max_restarts_times():
    died = [Attempt(2, failed_worker="worker 1", seconds=1.0)] * 4
    assert [restart_policy.next_count(died[: n + 1], 3, []) for n in range(4)] == [2, 2, 2, None]
    assert restart_policy.next_count(died[:1], 0, []) is None


def test_fewer_go_on_when_the_same_worker_dies_twice_soon_after_a_start():
    soon = [Attempt(4, failed_worker="worker 1", seconds=5.0)] * 2
    assert restart_policy.next_count(soon[:1], 3, [2, 1]) == 4
    assert restart_policy.next_count(soon, 3, [2, 1]) == 2
    assert restart_policy.next_count(soon, 3, []) == 4


def test_a_worker_that_had_trained_a_while_or_another_one_is_started_again():
    lasted = [Attempt(4, "worker 1", 600.0), Attempt(4, "worker 1", 5.0)]
    assert restart_policy.next_count(lasted, 3, [2]) == 4
    assert restart_policy.next_count(lasted[::-1], 3, [2]) == 4
    assert (
        restart_policy.next_count(
            [Attempt(4, "worker 1", 5.0), Attempt(4, "worker 2", 5.0)], 3, [2]
        )
        == 4
    )


@given(
    st.lists(st.tuples(st.integers(0, 7), st.floats(0, 1000)), min_size=64, max_size=64),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_a_job_that_always_dies_is_given_up_after_so_many_restarts_at_most(deaths, most, fewest):
    smaller = restart_policy.smaller_counts(8, fewest, 8)
    attempts: list[Attempt] = []
    count: int | None = 8
    for worker, seconds in deaths:
        assert count is not None
        attempts.append(Attempt(count, f"worker {worker}", seconds))
        count = restart_policy.next_count(attempts, most, smaller)
        if count is None:
            break
    assert count is None
    assert attempts[-1].workers == min([8, *smaller])
    assert len(attempts) <= (most + 1) * (len(smaller) + 1)
