"""Optimizers of groups of weights: each is what it would be by itself, at one rate of all."""

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from tests.trainer.optimization.models import descend, make_step, two_layers
from trainer.config.optimization import AVERAGING, OPTIMIZERS
from trainer.optimization import ema, group_rates, optimizers, schedules

STEPS, LATER = 3, 2
# Of the layers: their weights among those of the model.
ONE, TWO = slice(0, 2), slice(2, 4)


def halved(step: tf.Tensor) -> tf.Tensor:
    """The schedule: half the rate after two steps, and again."""
    return 0.5 ** tf.floor(tf.cast(step, tf.float32) / 2)


def run(*, factors=None, rate_later=0.05, **values) -> list[np.ndarray]:
    """Weights, and behind them their averages, after steps at a rate that falls on the way."""
    model, optimizer = two_layers(learning_rate=0.1, **values)
    group_rates.scale_learning_rates(optimizer, factors or {})
    schedules.follow(optimizer, halved)
    take_step = make_step(model, optimizer)
    for number in range(STEPS + LATER):
        if number == STEPS:
            assert optimizers.base_learning_rate(optimizer) == 0.1
            optimizer.learning_rate = rate_later
        take_step()
    weights = model.get_weights()
    assert optimizers.learning_rate(optimizer) == rate_later / 4
    with ema.average_weights(optimizer):
        return [*weights, *model.get_weights()]


def assert_layers(found, *, one, two) -> None:
    for start in (0, 4):
        for layer, expected in ((ONE, one), (TWO, two)):
            for value, own in zip(found[start:][layer], expected[start:][layer], strict=True):
                np.testing.assert_allclose(value, own, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "mixed_precision"), [*((name, "none") for name in OPTIMIZERS), ("nadam", "float16")]
)
def test_each_layer_trains_as_it_would_with_its_optimizer_for_all(name, mixed_precision):
    values = {
        "mixed_precision": mixed_precision,
        "weight_decay": 0.1,
        "ema_decay": 0.0 if name in AVERAGING else 0.5,
    }
    both = run(group_optimizers=(f"one/*={name}",), optimizer="sgd", **values)
    one, two = (run(optimizer=each, **values) for each in (name, "sgd"))
    assert_layers(both, one=one, two=two)
    assert name == "sgd" or not np.allclose(one[0], two[0])


def test_a_group_has_its_own_rate_and_decay_and_options_and_its_part_of_the_run():
    given = "one/*=adam(learning_rate=0.4;weight_decay=0.3;beta_1=0.5)"
    both = run(optimizer="sgd", group_optimizers=(given,))
    model, optimizer = two_layers(
        optimizer="adam", optimizer_options={"beta_1": 0.5}, learning_rate=0.4, weight_decay=0.3
    )
    schedules.follow(optimizer, halved)
    descend(model, optimizer, STEPS)
    optimizer.learning_rate = 0.2  # half of it, as of the run's
    weights = descend(model, optimizer, LATER)[-1]
    assert_layers(both, one=[*weights, *weights], two=run(optimizer="sgd"))


def test_rates_of_groups_multiply_those_of_their_optimizers():
    factors = {"one/kernel": 0.5, "one/bias": 0.5, "two/kernel": 3.0}
    values = {"optimizer": "sgd", "weight_decay": 0.2}
    scaled = run(factors=factors, group_optimizers=("one/*=adam(learning_rate=0.4)",), **values)
    expected = run(
        factors={"two/kernel": 3.0}, group_optimizers=("one/*=adam(learning_rate=0.2)",), **values
    )
    assert_layers(scaled, one=expected, two=expected)


def test_the_first_pattern_that_fits_counts_and_the_rest_may_be_empty():
    both = run(group_optimizers=("one/*=adam", "*=lion"), optimizer="sgd")
    assert_layers(both, one=run(optimizer="adam"), two=run(optimizer="lion"))
    _, optimizer = two_layers(group_optimizers=("one/*=adam", "*=lion"), optimizer="sgd")
    assert [type(each).__name__ for each in optimizer.members] == ["Adam", "Lion"]


def test_a_group_that_is_frozen_at_first_stays_and_so_does_its_average():
    model, optimizer = two_layers(
        group_optimizers=("one/*=adam",), optimizer="sgd", ema_decay=0.5, learning_rate=0.1
    )
    first = model.get_weights()
    after = descend(model, optimizer, 3, model.trainable_variables[TWO])[-1]
    with ema.average_weights(optimizer):
        np.testing.assert_allclose(model.get_weights()[0], first[0], rtol=1e-6)
    np.testing.assert_array_equal(after[0], first[0])
    assert not np.allclose(descend(model, optimizer, 1)[-1][0], first[0])


def test_a_group_without_weights_is_named():
    with pytest.raises(UserError, match=r"^`group_optimizers`: three/\* names no weight"):
        two_layers(group_optimizers=("one/*=adam", "three/*=adam"))
