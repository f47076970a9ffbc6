"""A loss that is far too high; what is kept of such a run is in `test_stopping`."""

import math

import pytest

from tests.trainer.loop.actions.states import state
from trainer.checkpoints.train_state import DivergedError
from trainer.loop.divergence import DivergenceWatch

GUESSING = math.log(10)


def end(losses: list[float], factor: float, has_learned: bool = False) -> int | None:
    """The number of the loss that ends a run; None for none."""
    watch = DivergenceWatch(factor, GUESSING, has_learned)
    for number, loss in enumerate(losses):
        try:
            watch(state(8), loss)
        except DivergedError as error:
            assert (error.step, error.batch_step) == (8, 7)
            return number
    return None


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([9.0, 2.4, 1.9, 4.5, 4.7], 4),
        ([9.0, 50.0, 2.4, 80.0], None),  # it has not learned anything yet
        ([2.2, 0.01, 0.9, 2.4, 0.01], None),  # hundreds of times the lowest, and no divergence
    ],
)
def test_a_run_ends_that_has_learned_and_is_far_above_guessing(losses, ends):
    assert end(losses, 2.0) == ends
    assert end(losses, 0.0) is None


def test_an_earlier_start_may_have_learned():
    assert end([50.0], 2.0, has_learned=True) == 0


def test_the_error_has_the_numbers():
    with pytest.raises(DivergedError) as caught:
        DivergenceWatch(2.0, GUESSING, True)(state(8), 50.0)
    assert str(caught.value).startswith(
        "the loss is 50, more than 2 times the 2.303 of guessing, at step 8; lower"
    )
