"""Ending a run that gets no better."""

import pytest

from tests.trainer.loop.actions.states import state
from trainer.loop.actions.early_stopping import EarlyStopping


@pytest.mark.parametrize(("patience", "ends"), [(2, [2, 3, 4]), (1, [1, 2, 3, 4]), (0, [])])
def test_a_run_ends_that_has_waited_long_enough(patience, ends):
    """Also where it is started again after its end, with no evaluation at this step."""
    action, at = EarlyStopping(patience, "loss", lambda note: None), state(7, last_eval_step=6)
    counts = []
    for at.evals_since_best in range(5):
        if action.ends_run(at):
            counts.append(at.evals_since_best)
        assert not action.is_due(at)
    assert counts == ends


def test_the_end_is_told_once_where_it_comes():
    notes: list[str] = []
    action = EarlyStopping(1, "loss", notes.append)
    at = state(6, last_eval_step=6, evals_since_best=1)
    assert action.is_due(at)
    action(at)
    assert notes == ["loss has not been better for 1 evaluation: the run ends"]
