"""How a step changes the weights: what may be said of it, and what must stay."""

import dataclasses

import pytest

from headrace.errors import UsageError
from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config import resume
from trainer.config.loss import LOSSES, check_labels
from trainer.config.optimization import (
    OPTIMIZERS,
    OptimizationConfig,
    check,
    check_schedule_free,
)
from trainer.config.run import RunConfig


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
        group_rates=(),
        group_optimizers=(),
        lookahead_steps=0,
        lookahead_factor=0.5,
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
        ("--group_rates=*/bias", "expected PATTERN=FACTOR above 0, as in */bias=64"),
        ("--group_rates=*/bias=64,logits/*=0", "'logits/*=0': expected PATTERN=FACTOR"),
        ("--group_rates=*/bias=inf", "expected PATTERN=FACTOR"),
        ("--group_optimizers=*/kernel", "expected PATTERN=OPTIMIZER(NAME=VALUE;…)"),
        ("--group_optimizers=*/kernel=muon(momentum)", "expected name=value"),
        ("--group_optimizers=a=sgd,,b=adam", "'': expected PATTERN=OPTIMIZER"),
        ("--lookahead_steps=-1", "non-negative"),
        ("--lookahead_factor=1.5", "in the range [0"),
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
        afresh = (
            "optimizer",
            "optimizer_options",
            "group_optimizers",
            "lookahead_steps",
            "ema_decay",
        )
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


def test_groups_are_read_in_their_order():
    config = parsed(
        OptimizationConfig,
        "--group_rates=*/bias=64, logits/*=0.1",
        "--group_optimizers=*/kernel=muon(learning_rate=0.02;ns_steps=6),logits/*=sgd",
    )
    assert config.rate_groups == [("*/bias", 64.0), ("logits/*", 0.1)]
    assert config.optimizer_groups == [
        ("*/kernel", "muon", {"learning_rate": 0.02, "ns_steps": 6}),
        ("logits/*", "sgd", {}),
    ]
    other_order = dataclasses.replace(config, group_rates=config.group_rates[::-1])
    changes = resume.differences(
        *(resume.fingerprint(RunConfig(optimization=each)) for each in (config, other_order))
    )
    assert changes == {
        "group_rates": "`group_rates` was */bias=64,logits/*=0.1 and is logits/*=0.1,*/bias=64"
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"group_optimizers": ("a/*=best",)},
            r"`group_optimizers`: a/\*=best: expected one of sgd,",
        ),
        (
            {"group_optimizers": ("a/*=adam(momentum=0.5)",)},
            r"a/\*=adam has no option 'momentum'; it has .*, learning_rate, weight_decay",
        ),
        ({"group_optimizers": ("a/*=adam(learning_rate=0)",)}, "learning_rate=0: expected more"),
        ({"group_optimizers": ("a/*=adam(weight_decay=-1)",)}, "weight_decay=-1: expected 0 or"),
        (
            {"group_optimizers": ("a/*=sgd(learning_rate=1)",), "learning_rate": 0.0},
            "parts of `learning_rate`=0; give one above 0",
        ),
        ({"lookahead_steps": 5, "lookahead_factor": 0.0}, "`lookahead_factor`=0: .* above 0"),
        (
            {"optimizer": "schedule_free_adamw", "ema_decay": 0.9},
            "`ema_decay`: schedule_free_adamw keeps an average .* by itself; leave",
        ),
        (
            {"group_optimizers": ("a/*=schedule_free_adamw",), "ema_decay": 0.9},
            "`ema_decay`: schedule_free_adamw keeps",
        ),
        (
            {"optimizer": "schedule_free_adamw", "optimizer_options": {"beta_1": 0.0}},
            "beta_1=0.0: expected more than 0 and less than 1",
        ),
    ],
)
def test_what_makes_no_sense_together_is_refused(values, words):
    with pytest.raises(UsageError, match=words):
        check(OptimizationConfig(**values))


@pytest.mark.parametrize(
    ("schedule", "patience", "words"),
    [
        ("cosine", 0, "`schedule`=cosine: schedule_free_adamw averages the weights instead"),
        ("constant", 2, "`reduce_lr_patience`: schedule_free_adamw averages"),
    ],
)
def test_nothing_lowers_the_rate_of_an_optimizer_that_averages(schedule, patience, words):
    for values in ({"optimizer": "schedule_free_adamw"}, {"group_optimizers": ("a=adam",)}):
        check_schedule_free(OptimizationConfig(**values), "constant", 0)
    check_schedule_free(OptimizationConfig(), schedule, patience)
    groups = ("a/*=schedule_free_adamw",)
    for config in (
        OptimizationConfig(optimizer="schedule_free_adamw"),
        OptimizationConfig(group_optimizers=groups),
    ):
        with pytest.raises(UsageError, match=words):
            check_schedule_free(config, schedule, patience)
