"""Lowering the learning rate on a plateau."""

import pytest

from tests.trainer.loop.actions.states import state
from trainer.loop.actions.reduce_learning_rate import ReduceLearningRate


def action(patience: int, notes: list[str]) -> ReduceLearningRate:
    return ReduceLearningRate(patience, 0.5, "rank1", notes.append)


@pytest.mark.parametrize(("patience", "due"), [(2, [2, 4, 6]), (3, [3, 6]), (0, [])])
def test_it_is_due_each_time_a_plateau_has_lasted_as_long_again(patience, due):
    at = state(6, last_eval_step=6)
    counts = []
    for at.evals_since_best in range(7):
        if action(patience, []).is_due(at):
            counts.append(at.evals_since_best)
    assert counts == due


def test_it_acts_once_for_an_evaluation():
    """At a later stop without one, nothing new is known."""
    assert not action(2, []).is_due(state(7, last_eval_step=6, evals_since_best=2))


def test_it_lowers_the_rate_of_the_optimizer_and_says_so():
    notes: list[str] = []
    at = state(6, learning_rate=0.3, evals_since_best=2)
    action(2, notes)(at)
    assert at.learning_rate == 0.15
    action(2, notes)(at)
    assert at.learning_rate == 0.075
    assert notes[0] == (
        "rank1 has not been better for 2 evaluations: the learning rate is 0.15 from now on"
    )
