"""How a step changes the weights: what may be said of it, and what must stay."""

import dataclasses

import pytest

from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config import resume
from trainer.config.optimization import OPTIMIZERS, OptimizationConfig


def test_what_is_not_said_is_momentum_and_nothing_else():
    assert parsed(OptimizationConfig) == OptimizationConfig()
    assert parsed(OptimizationConfig) == OptimizationConfig(
        class_weights="none",
        label_smoothing=0.0,
        optimizer="momentum",
        learning_rate=0.01,
        grad_accum_steps=1,
        clip_norm=0.0,
        ema_decay=0.0,
        jit_compile=False,
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_is_taken(optimizer):
    assert parsed(OptimizationConfig, f"--optimizer={optimizer}").optimizer == optimizer


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--optimizer=best", "<sgd|momentum|nesterov|"),
        ("--class_weights=some", "<none|balanced>"),
        ("--label_smoothing=1.5", "in the range [0"),
        ("--label_smoothing=-0.1", "in the range [0"),
        ("--learning_rate=-1", "non-negative"),
        ("--grad_accum_steps=0", "positive"),
        ("--clip_norm=-1", "non-negative"),
        ("--ema_decay=-0.1", "non-negative"),
    ],
)
def test_what_is_out_of_bounds_is_refused(argument, expected):
    assert_refused(OptimizationConfig, argument, expected)


def test_all_that_decides_the_weights_must_stay_and_how_they_are_computed_may_change():
    names = {field.name for field in dataclasses.fields(OptimizationConfig)}
    assert fixed(OptimizationConfig) == names - {"jit_compile"}


def test_the_optimizer_starts_afresh_where_what_it_keeps_is_another():
    for name in fixed(OptimizationConfig):
        begins_afresh = resume.affected([name], "optimizer")
        assert begins_afresh == (name in ("optimizer", "ema_decay")), name
