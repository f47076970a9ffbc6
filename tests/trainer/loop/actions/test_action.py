"""What all actions are."""

from tests.trainer.loop.actions.states import state
from trainer.loop.actions.action import Action, AfterEvaluation, describe_wait


def test_an_action_asks_for_no_stop_of_its_own_and_goes_by_no_clock():
    action, at = Action(), state(step=3)
    assert action.next_step(3) is None
    assert not (action.is_due_by_clock() or action.is_owed(at) or action.ends_run(at))


def test_what_follows_an_evaluation_is_due_where_there_was_one():
    action = AfterEvaluation()
    assert action.is_due(state(step=3, last_eval_step=3))
    assert not action.is_due(state(step=3, last_eval_step=2))


def test_a_wait_is_told_in_words():
    at = state(evals_since_best=1)
    assert describe_wait("loss", at) == "loss has not been better for 1 evaluation"
    at.evals_since_best = 2
    assert describe_wait("rank1", at) == "rank1 has not been better for 2 evaluations"
    at.min_delta = 0.005
    said = "rank1 has not been better by more than 0.005 for 2 evaluations"
    assert describe_wait("rank1", at) == said
