"""The course of a run: how long it is, and what it goes by."""

import pytest

from headrace.errors import UsageError
from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config import training
from trainer.config.training import MONITORS, TrainingConfig


def test_what_is_not_said_is_left_open_and_nothing_is_waited_for():
    config = parsed(TrainingConfig)
    assert config == TrainingConfig()
    assert (config.epochs, config.steps, config.validation_split) == (None, None, None)
    assert (config.eval_every, config.monitor) == (1, None)
    assert (config.patience, config.reduce_lr_patience, config.max_minutes) == (0, 0, None)
    assert (config.min_delta, config.stop_when, config.restore_best) == (0, "", False)
    assert config.stop_on_divergence == 0


@pytest.mark.parametrize("monitor", MONITORS)
def test_a_run_goes_by_any_number_of_an_evaluation(monitor):
    assert parsed(TrainingConfig, f"--monitor={monitor}").monitor == monitor


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--epochs=0", "positive"),
        ("--steps=0", "positive"),
        ("--eval_every=0", "positive"),
        ("--monitor=accuracy", "<rank1|rank5|loss|map|f1>"),
        ("--patience=-1", "non-negative"),
        ("--reduce_lr_patience=-1", "non-negative"),
        ("--max_minutes=-1", "non-negative"),
        ("--min_delta=-1", "non-negative"),
        ("--stop_on_divergence=-1", "non-negative"),
        ("--stop_when=rank1=0.9", "as in rank1>=0.93; received 'rank1=0.9'"),
    ],
)
def test_what_is_out_of_bounds_is_refused(argument, expected):
    assert_refused(TrainingConfig, argument, expected)


def test_a_run_may_become_longer_and_more_patient_but_not_go_by_something_else():
    assert fixed(TrainingConfig) == {
        "validation_split",
        "monitor",
        "min_delta",
        "reduce_lr_patience",
        "reduce_lr_factor",
    }


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_a_loss_like_that_of_guessing_is_no_divergence(factor):
    training.check_training(TrainingConfig(steps=1, stop_on_divergence=1.5))
    with pytest.raises(UsageError, match=f"`stop_on_divergence`={factor:g}: expected more than 1"):
        training.check_training(TrainingConfig(steps=1, stop_on_divergence=factor))


def test_going_by_evaluations_needs_one():
    for values in ({"patience": 1}, {"stop_when": "loss<1"}, {"restore_best": True}):
        config = TrainingConfig(steps=1, **values)
        training.check_evaluated(config, "validation")
        with pytest.raises(UsageError, match="name something with `validation_split`"):
            training.check_evaluated(config, None)
