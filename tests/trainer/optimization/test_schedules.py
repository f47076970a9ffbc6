"""Schedules against the formulas of their sources, computed by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.optimization.models import model_and, step
from trainer.config.data import DataConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig
from trainer.config.schedule import SCHEDULES, ScheduleConfig, check_schedule
from trainer.config.training import TrainingConfig
from trainer.config.transfer import TransferConfig
from trainer.optimization import optimizers, schedules

STEPS, PER_EPOCH = 200, 10


def factors(name: str, steps, /, **changes) -> list[float]:
    """The parts of the rate at some steps; options as `schedule_options` has them."""
    fields = {key: changes.pop(key) for key in ("warmup_epochs", "warmup_steps") if key in changes}
    schedule = ScheduleConfig(name, changes, **fields)
    check_schedule(schedule)
    factor = schedules.make_factor(schedule, STEPS, PER_EPOCH)
    return [float(factor(tf.constant(step, tf.int64))) for step in steps]


def cosine(part: float, end: float = 0.0) -> float:
    return end + (1 - end) * (1 + math.cos(math.pi * part)) / 2


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("constant", {}, {0: 1, 199: 1}),
        ("step", {"every": 5, "factor": 0.5}, {0: 1, 49: 1, 50: 0.5, 99: 0.5, 100: 0.25}),
        ("step", {"every": 30, "unit": "steps"}, {29: 1, 30: 0.1, 59: 0.1, 60: 0.01}),
        (
            "piecewise",
            {"at": (5, 15), "factors": (0.1, 0.01)},
            {0: 1, 49: 1, 50: 0.1, 149: 0.1, 150: 0.01, 199: 0.01},
        ),
        ("polynomial", {}, {0: 1, 50: 0.75, 100: 0.5, 200: 0}),
        ("polynomial", {"power": 2, "end": 0.2}, {0: 1, 100: 0.4, 200: 0.2}),
        ("exponential", {"every": 2, "factor": 0.25}, {0: 1, 10: 0.5, 20: 0.25}),
        ("inverse_time", {"decay": 0.5}, {0: 1, 10: 1 / 1.5, 20: 0.5}),
        ("cosine", {"end": 0.1}, {0: 1, 50: cosine(0.25, 0.1), 100: 0.55, 200: 0.1}),
        ("cyclic", {"every": 4}, {0: 1, 20: 0.5, 39: cosine(39 / 40), 40: 1, 60: 0.5}),
        ("cyclic", {"every": 4, "growth": 2, "factor": 0.5}, {20: 0.5, 40: 0.5, 80: 0.25}),
        ("one_cycle", {}, {0: 0.04, 30: 0.52, 60: 1, 130: (1 + 1e-4) / 2, 200: 1e-4}),
        ("triangular", {}, {0: 0, 50: 0.5, 100: 1, 150: 0.5, 200: 0}),
        (
            "triangular",
            {"rise": 0.25, "start": 0.2, "end": 0.07},
            {0: 0.2, 25: 0.6, 50: 1, 125: 0.535, 200: 0.07},
        ),
        ("triangular", {"rise": 0}, {0: 1, 100: 0.5, 200: 0}),
    ],
)
def test_each_is_the_formula_of_its_source(name, options, expected):
    found = factors(name, expected, **options)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fields", [{"warmup_steps": 20}, {"warmup_epochs": 2.0}])
def test_a_schedule_begins_where_the_warm_up_ends(fields):
    at = [0, 9, 19, 20, 110, 200]
    found = factors("cosine", at, **fields)
    expected = [0.05, 0.5, 1, 1, cosine(0.5), 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(
    st.sampled_from(sorted(set(SCHEDULES) - {"piecewise"})),
    st.integers(0, 3 * STEPS),
    st.integers(0, STEPS),
)
def test_no_step_is_above_the_highest_rate_or_below_none(name, step, warmup):
    (value,) = factors(name, [step], warmup_steps=warmup)
    assert 0 <= value <= 1 + 1e-6


@pytest.mark.parametrize("warm_start_epochs", [0, 2])
def test_the_rates_of_a_run_are_its_schedule_anew_after_a_warm_start(warm_start_epochs):
    schedule = ScheduleConfig("cosine", warmup_steps=5, base_batch_size=32)
    config = RunConfig(
        data=DataConfig(batch_size=64),
        transfer=TransferConfig(warm_start_epochs=warm_start_epochs),
        optimization=OptimizationConfig(learning_rate=0.1),
        schedule=schedule,
        training=TrainingConfig(steps=50),
    )
    first = warm_start_epochs * PER_EPOCH
    factor = schedules.make_factor(schedule, 50 - first, PER_EPOCH)
    steps = [*range(first), *range(50 - first + 1)]
    expected = [0.2 * float(factor(step)) for step in steps]
    found = schedules.planned_rates(config, PER_EPOCH)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
@pytest.mark.parametrize("name", ["momentum", "adamw"])
def test_an_optimizer_that_follows_one_moves_as_if_told_each_rate(name, mixed_precision):
    schedule = ScheduleConfig("polynomial")
    factor = schedules.make_factor(schedule, 6, 1)
    model, following = model_and(optimizers.create(name, 0.5, mixed_precision=mixed_precision))
    schedules.follow(following, factor)
    twin, told = model_and(optimizers.create(name, 0.5, mixed_precision=mixed_precision))
    compiled = tf.function(lambda gradients: following.apply(gradients))
    for number in range(5):
        if number == 3:  # as on a plateau
            following.learning_rate = 0.25
        told.learning_rate = (0.25 if number >= 3 else 0.5) * (1 - number / 6)
        assert optimizers.learning_rate(following) == pytest.approx(float(told.learning_rate))
        rng = np.random.default_rng(number)
        shapes = [weight.shape for weight in model.weights]
        compiled([tf.constant(rng.normal(size=shape), "float32") for shape in shapes])
        step(twin, told, number)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert optimizers.base_learning_rate(following) == 0.25
