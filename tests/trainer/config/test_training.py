"""The course of a run: how long it is, and what it goes by."""

import pytest

from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config.training import MONITORS, TrainingConfig


def test_what_is_not_said_is_left_open_and_nothing_is_waited_for():
    training = parsed(TrainingConfig)
    assert training == TrainingConfig()
    assert (training.epochs, training.steps, training.validation_split) == (None, None, None)
    assert (training.eval_every, training.monitor) == (1, None)
    assert (training.patience, training.reduce_lr_patience, training.max_minutes) == (0, 0, None)
    assert (training.min_delta, training.stop_when, training.restore_best) == (0, "", False)
    assert training.stop_on_divergence == 0


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
