"""What follows from the evaluations so far."""

from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation import monitor


@given(st.lists(st.sampled_from([0.25, 0.5, 0.75]), max_size=40), st.integers(1, 5))
def test_a_plateau_lowers_the_rate_each_time_it_has_lasted_as_long_again(scores, plateau):
    reductions, best, since = [], float("-inf"), 0
    counts = evals_since_best(scores)
    for number, value in enumerate(scores):
        since = 0 if value > best else since + 1
        best = max(best, value)
        if since == plateau:
            reductions.append(number)
            since = 0
    assert [
        n for n, count in enumerate(counts) if monitor.should_reduce_lr(count, plateau)
    ] == reductions


def evals_since_best(scores: list[float]) -> list[int]:
    """After each evaluation, how many there were since the best one."""
    return [n - scores.index(max(scores[: n + 1])) for n in range(len(scores))]


def test_a_run_without_patience_or_plateau_waits_for_ever():
    assert not any(
        monitor.should_stop(count, 0) or monitor.should_reduce_lr(count, 0) for count in range(100)
    )
    assert not monitor.should_reduce_lr(0, 1)
    assert [monitor.should_stop(count, 3) for count in range(5)] == [False] * 3 + [True] * 2


def test_less_is_better_of_a_loss_alone():
    result = {"rank1": 0.5, "rank5": 0.75, "loss": 2.0}
    assert [monitor.score(result, name) for name in monitor.NAMES] == [0.5, 0.75, -2.0]
