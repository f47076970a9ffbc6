"""Lookahead, held against the algorithm of its paper."""

import numpy as np
import pytest

from tests.trainer.optimization.models import descend, two_layers
from trainer.optimization import ema

RATE, MOMENTUM, STEPS, FACTOR, DECAY = 0.2, 0.9, 3, 0.25, 0.75


def by_the_paper(first: np.ndarray, steps: int) -> list[np.ndarray]:
    """Algorithm 1 around SGD with momentum on `sum(w²)/2`: the weights after each step."""
    slow = fast = first.astype(float)
    velocity, found = np.zeros_like(fast), []
    for t in range(1, steps + 1):
        velocity = MOMENTUM * velocity - RATE * fast
        fast = fast + velocity
        if t % STEPS == 0:
            slow = slow + FACTOR * (fast - slow)
            fast = slow
        found.append(fast)
    return found


def make(**values):
    values = {"optimizer": "momentum", "learning_rate": RATE, **values}
    return two_layers(lookahead_steps=STEPS, lookahead_factor=FACTOR, **values)


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
def test_weights_are_those_of_the_paper(mixed_precision):
    model, optimizer = make(mixed_precision=mixed_precision)
    expected = by_the_paper(model.get_weights()[0], 8)
    for weights, value in zip(descend(model, optimizer, 8), expected, strict=True):
        np.testing.assert_allclose(weights[0], value, rtol=1e-5, atol=1e-6)


def test_the_way_begins_at_the_weights_of_the_first_step_whatever_they_were_before():
    model, optimizer = make()
    model.set_weights([np.full_like(w, 2.0) for w in model.get_weights()])
    (*_, weights) = descend(model, optimizer, 4)
    expected = by_the_paper(np.full(1, 2.0), 4)[-1]
    np.testing.assert_allclose(weights[1], np.full(4, expected[0]), rtol=1e-5)


def test_the_moving_average_is_of_the_weights_that_are_gone_back_to():
    model, optimizer = make(ema_decay=DECAY)
    average, *later = by_the_paper(model.get_weights()[0], 7)
    for weights in later:
        average = DECAY * average + (1 - DECAY) * weights
    descend(model, optimizer, 7)
    with ema.average_weights(optimizer):
        np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-5, atol=1e-6)


def test_an_average_of_its_own_goes_back_as_far_as_the_weights_do():
    """Of two runs, one looks ahead; at its first step back, all places move by as much."""

    def places(model, optimizer) -> list[np.ndarray]:
        with ema.average_weights(optimizer):
            average = model.get_weights()[0]
        return [model.get_weights()[0], average]

    values = {"optimizer": "schedule_free_adamw", "learning_rate": 0.1}
    (plain, plain_optimizer), (ahead, ahead_optimizer) = two_layers(**values), make(**values)
    first = plain.get_weights()[0]
    descend(plain, plain_optimizer, STEPS)
    descend(ahead, ahead_optimizer, STEPS)
    there_and_back = zip(
        places(plain, plain_optimizer), places(ahead, ahead_optimizer), strict=True
    )
    way = plain.get_weights()[0] - first
    for there, back in there_and_back:
        np.testing.assert_allclose(there - back, (1 - FACTOR) * way, rtol=1e-4, atol=1e-6)


def test_what_is_frozen_meanwhile_stays():
    model, optimizer = make()
    first = model.get_weights()
    descend(model, optimizer, 4, model.trainable_variables[2:])
    np.testing.assert_array_equal(model.get_weights()[0], first[0])
    assert not np.allclose(model.get_weights()[2], first[2])
