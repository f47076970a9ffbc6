"""Schedule-Free AdamW, held against the equations of its paper."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.optimization.models import descend, make_step, two_layers
from trainer.optimization import ema, schedules
from trainer.optimization.grouped import members_of

RATE, BETA_1, BETA_2, EPSILON = 0.1, 0.8, 0.9, 1e-8
OPTIONS = {"beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}


def by_the_paper(first: np.ndarray, warmup: list[float], decay: float) -> list[np.ndarray]:
    """Algorithm 1 on `sum(w²)/2`: rows of y and x after each step, each at a part of the rate."""
    x = z = first.astype(float)
    second, rates, found = np.zeros_like(z), 0.0, []
    for t, part in enumerate(warmup, 1):
        y = (1 - BETA_1) * z + BETA_1 * x
        gradient = y
        second = BETA_2 * second + (1 - BETA_2) * gradient**2
        rate = RATE * np.sqrt(1 - BETA_2**t) * part
        z = z - rate * gradient / (np.sqrt(second) + EPSILON) - rate * decay * y
        rates += rate**2
        c = rate**2 / rates
        x = (1 - c) * x + c * z
        found.append(np.stack([(1 - BETA_1) * z + BETA_1 * x, x]))
    return found


def make(**values):
    return two_layers(
        optimizer="schedule_free_adamw", optimizer_options=OPTIONS, learning_rate=RATE, **values
    )


def averages(model, optimizer) -> list[np.ndarray]:
    with ema.average_weights(optimizer):
        return model.get_weights()


@pytest.mark.parametrize(
    ("warmup", "decay", "mixed_precision"),
    [(0, 0.0, "none"), (0, 0.3, "none"), (4, 0.0, "none"), (4, 0.3, "float16")],
)
def test_weights_and_their_average_are_those_of_the_paper(warmup, decay, mixed_precision):
    model, optimizer = make(weight_decay=decay, mixed_precision=mixed_precision)
    parts = [min(t / warmup, 1.0) if warmup else 1.0 for t in range(1, 8)]
    if warmup:
        schedules.follow(
            optimizer, lambda step: tf.minimum((tf.cast(step, "float32") + 1) / warmup, 1)
        )
    first = model.get_weights()
    # Vectors, the biases, are not decayed; and they are 0, where there is no way down.
    expected = [by_the_paper(w, parts, decay) for w in first]
    take_step = make_step(model, optimizer)
    for number in range(len(parts)):
        take_step()
        after, average = model.get_weights(), averages(model, optimizer)
        for layer in (0, 2):
            y, x = expected[layer][number]
            np.testing.assert_allclose(after[layer], y, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(average[layer], x, rtol=1e-5, atol=1e-6)
    assert not np.allclose(after[0], average[0], atol=1e-3)


def test_a_vector_is_not_decayed():
    model, optimizer = make(weight_decay=0.3)
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    after = descend(model, optimizer, 5)[-1]
    kernel, bias = (by_the_paper(np.ones(1), [1.0] * 5, decay)[-1][0] for decay in (0.3, 0.0))
    np.testing.assert_allclose(after[0], np.full((3, 4), kernel), rtol=1e-5)
    np.testing.assert_allclose(after[1], np.full(4, bias), rtol=1e-5)


def test_before_the_first_step_the_average_is_what_the_weights_are_whatever_they_were():
    model, optimizer = make()
    loaded = [np.full_like(w, 2.0) for w in model.get_weights()]
    model.set_weights(loaded)
    for average, value in zip(averages(model, optimizer), loaded, strict=True):
        np.testing.assert_array_equal(average, value)
    after = descend(model, optimizer, 3)[-1]
    y, x = by_the_paper(np.full(1, 2.0), [1.0] * 3, 0.0)[-1]
    np.testing.assert_allclose(after[0], np.full((3, 4), y), rtol=1e-5)
    np.testing.assert_allclose(averages(model, optimizer)[0], np.full((3, 4), x), rtol=1e-5)


def test_what_thaws_later_has_an_average_of_its_own_steps():
    model, optimizer = make()
    kernel = model.trainable_variables[0]
    descend(model, optimizer, 5, model.trainable_variables[2:])
    before = kernel.numpy()
    np.testing.assert_array_equal(averages(model, optimizer)[0], before)
    after = descend(model, optimizer, 1)[-1][0]
    assert np.abs(after - before).max() > 0.01
    # All of the first step, where one of six would be left to the steps that it did not take.
    np.testing.assert_allclose(averages(model, optimizer)[0], after, rtol=1e-5)


def test_at_a_rate_of_0_weights_stay_what_they_are():
    model, optimizer = two_layers(optimizer="schedule_free_adamw", learning_rate=0.0)
    first = model.get_weights()
    for before, after in zip(first, descend(model, optimizer, 2)[-1], strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-6)


def test_keras_has_its_settings_and_slots():
    _, optimizer = make(mixed_precision="float16")
    (member,) = members_of(optimizer)
    config = member.get_config()
    assert {name: config[name] for name in OPTIONS} == OPTIONS
    assert (config["warmup_steps"], config["weight_decay"]) == (0, None)
    slots = [variable.path.rpartition("_")[2] for variable in member.variables[2:]]
    assert sorted(set(slots)) == ["momentum", "sum", "velocity"]
