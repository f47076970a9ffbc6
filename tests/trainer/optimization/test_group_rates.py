"""Learning rates of groups of weights, with each optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.config.optimization import OPTIMIZERS
from trainer.optimization import group_rates, optimizers

FACTOR = 0.125


def trained(optimizer, factors: dict[str, float], rate_later: float | None = None) -> dict:
    """Weights by their layer after some steps on gradients at random."""
    keras.utils.set_random_seed(1)
    values = keras.Input((3,))
    one, two = keras.layers.Dense(4, name="one"), keras.layers.Dense(2, name="two")
    model = keras.Model(values, two(one(values)))
    optimizer.build(model.trainable_variables)
    group_rates.scale_learning_rates(optimizer, factors)
    rng = np.random.default_rng(0)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, model.trainable_variables)

    for number in range(6):
        if number == 3 and rate_later:
            optimizer.learning_rate = rate_later
        step([tf.constant(rng.normal(size=v.shape), "float32") for v in model.weights])
    return {variable.path: variable.numpy() for variable in model.weights}


def in_group(path: str) -> bool:
    return path.startswith("one/")


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_group_moves_as_if_the_rate_were_its_own_and_others_as_if_it_were_theirs(
    name, mixed_precision
):
    def make(rate: float):
        return optimizers.create(name, rate, mixed_precision=mixed_precision)

    factors = {"one/kernel": FACTOR, "one/bias": FACTOR}
    both = trained(make(0.5), factors, rate_later=0.25)
    slow, fast = (trained(make(0.5 * f), {}, rate_later=0.25 * f) for f in (FACTOR, 1.0))
    for path, value in both.items():
        expected, other = (slow, fast) if in_group(path) else (fast, slow)
        np.testing.assert_allclose(value, expected[path], rtol=1e-5, atol=1e-7)
        assert not np.allclose(value, other[path])


def test_weight_decay_of_a_group_is_at_its_rate():
    def make(rate: float):
        return keras.optimizers.SGD(rate, weight_decay=0.3)

    both = trained(make(0.5), {"one/kernel": FACTOR, "one/bias": FACTOR})
    slow, fast = trained(make(0.5 * FACTOR), {}), trained(make(0.5), {})
    for path, value in both.items():
        expected = slow if in_group(path) else fast
        np.testing.assert_allclose(value, expected[path], rtol=1e-5, atol=1e-7)


def test_without_factors_an_optimizer_is_left_as_it_is():
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([keras.Variable(np.ones(2))])
    group_rates.scale_learning_rates(optimizer, {"other": 1.0})
    assert "update_step" not in vars(optimizer)
