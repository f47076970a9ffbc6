"""How a step changes the weights: what may be said of it, and what must stay."""

import dataclasses

import pytest

from headrace.errors import UsageError
from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config import resume
from trainer.config.loss import LOSSES, check_labels
from trainer.config.optimization import OPTIMIZERS, OptimizationConfig, check


def test_what_is_not_said_is_momentum_and_nothing_else():
    assert parsed(OptimizationConfig) == OptimizationConfig()
    assert parsed(OptimizationConfig) == OptimizationConfig(
        loss="auto",
        loss_options={},
        class_weights="none",
        label_smoothing=0.0,
        optimizer="momentum",
        optimizer_options={},
        weight_decay=None,
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
        ("--loss=hinge", "<auto|cross_entropy|focal|binary|binary_focal>"),
        ("--loss_options=gamma", "expected name=value"),
        ("--class_weights=some", "<none|balanced>"),
        ("--label_smoothing=1.5", "in the range [0"),
        ("--label_smoothing=-0.1", "in the range [0"),
        ("--learning_rate=-1", "non-negative"),
        ("--grad_accum_steps=0", "positive"),
        ("--clip_norm=-1", "non-negative"),
        ("--ema_decay=-0.1", "non-negative"),
        ("--weight_decay=-0.1", "non-negative"),
        ("--optimizer_options=beta_1", "expected name=value"),
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
        afresh = ("optimizer", "optimizer_options", "ema_decay")
        assert begins_afresh == (name in afresh), name


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sgd", {"momentum": 0.5}, "`optimizer`=sgd has no option 'momentum'; it has none"),
        ("adam", {"beta_3": 0.5}, "has no option 'beta_3'; it has beta_1, beta_2, epsilon"),
        ("rmsprop", {"centered": 1}, "centered is of the kind of False, received 1"),
        ("muon", {"ns_steps": 2.5}, r"ns_steps is of the kind of 5, received 2\.5"),
        ("lion", {"beta_1": float("nan")}, "beta_1=nan: expected 0 or more"),
        ("adam", {"epsilon": -1.0}, r"epsilon=-1\.0: expected 0 or more"),
    ],
)
def test_options_of_another_optimizer_or_kind_are_refused(name, options, words):
    with pytest.raises(UsageError, match=words):
        check(OptimizationConfig(optimizer=name, optimizer_options=options))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_taken_with_its_own_options(loss):
    assert parsed(OptimizationConfig, f"--loss={loss}").loss == loss
    check(OptimizationConfig(loss=loss, loss_options=LOSSES[loss]))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("auto", {"gamma": 2.0}, "`loss`=auto has no option 'gamma'; it has none"),
        ("binary", {"alpha": 0.5}, "`loss`=binary has no option 'alpha'; it has none"),
        ("focal", {"beta": 2.0}, "`loss`=focal has no option 'beta'; it has gamma, alpha"),
        ("focal", {"gamma": "high"}, "gamma is of the kind of 2.0, received 'high'"),
        ("focal", {"gamma": -1.0}, r"gamma=-1\.0: expected 0 or more"),
        ("binary_focal", {"alpha": 2}, "alpha=2: expected 1 or less"),
    ],
)
def test_options_of_another_loss_or_kind_are_refused(name, options, words):
    with pytest.raises(UsageError, match=words):
        check(OptimizationConfig(loss=name, loss_options=options))


def test_each_class_alike_may_count_more_in_a_softmax():
    check(OptimizationConfig(loss="focal", loss_options={"alpha": 2}))


def test_losses_of_one_label_are_refused_for_several():
    for name in ("cross_entropy", "focal"):
        check_labels(name, multi_label=False)
        words = f"`loss`={name} takes images of one label, .* `loss`=binary or binary_focal"
        with pytest.raises(UsageError, match=words):
            check_labels(name, multi_label=True)
    for name in ("auto", "binary", "binary_focal"):
        check_labels(name, multi_label=True)
