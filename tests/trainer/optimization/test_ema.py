"""The moving average of weights, which evaluation takes."""

import numpy as np
import pytest

from tests.trainer.optimization.models import model_and, step
from trainer.config.optimization import AVERAGING, OPTIMIZERS
from trainer.optimization import ema, optimizers


@pytest.mark.parametrize("name", sorted(OPTIMIZERS.keys() - set(AVERAGING)))
def test_the_average_is_that_of_all_weights_so_far(name):
    model, optimizer = model_and(optimizers.create(name, 0.1, ema=0.75))
    expected: list[np.ndarray] = []
    for number in range(5):
        step(model, optimizer, number)
        now = model.get_weights()
        before = expected or now
        expected = [0.75 * e + 0.25 * w for e, w in zip(before, now, strict=True)]
    with ema.average_weights(optimizer):
        for value, average in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(value, average, rtol=1e-5)
    assert not np.allclose(now[0], expected[0])


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
@pytest.mark.parametrize(("name", "decay"), [("adam", 0.9), ("schedule_free_adamw", 0.0)])
def test_weights_are_the_same_after_an_evaluation_on_averages_even_one_that_failed(
    name, decay, mixed_precision
):
    model, optimizer = model_and(optimizers.create(name, 0.1, decay, mixed_precision))
    for number in range(3):
        step(model, optimizer, number)
    before = [v.numpy() for v in (*model.variables, *optimizer.variables)]
    with pytest.raises(ZeroDivisionError), ema.average_weights(optimizer):
        assert not np.array_equal(model.get_weights()[0], before[0])
        raise ZeroDivisionError
    for variable, value in zip((*model.variables, *optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_without_an_average_an_evaluation_is_on_the_weights():
    model, optimizer = model_and(optimizers.create("momentum", 0.1))
    step(model, optimizer, 0)
    before = model.get_weights()
    with ema.average_weights(optimizer):
        np.testing.assert_array_equal(model.get_weights()[0], before[0])
