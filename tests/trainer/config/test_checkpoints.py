"""When a run saves itself, and which weights it starts from."""

import pytest

from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config.checkpoints import CheckpointsConfig


def test_what_is_not_said_is_a_checkpoint_now_and_then_and_a_start_from_nothing():
    saves = parsed(CheckpointsConfig)
    assert saves == CheckpointsConfig()
    assert (saves.save_every_epochs, saves.save_every_steps, saves.save_every_seconds) == (
        None,
        0,
        0,
    )
    assert (saves.max_to_keep, saves.init_from) == (3, "")
    assert (saves.init_checkpoint, saves.init_optimizer) == ("best", "reset")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--save_every_epochs=0", "positive"),
        ("--save_every_steps=-1", "non-negative"),
        ("--save_every_seconds=-0.5", "non-negative"),
        ("--max_to_keep=0", "positive"),
        ("--init_checkpoint=first", "<latest|best>"),
        ("--init_optimizer=keep", "<reset|restore>"),
    ],
)
def test_what_makes_no_sense_is_refused(argument, expected):
    assert_refused(CheckpointsConfig, argument, expected)


def test_the_least_that_may_be_said_is_taken():
    saves = parsed(
        CheckpointsConfig, "--save_every_epochs=1", "--save_every_steps=0", "--max_to_keep=1"
    )
    assert (saves.save_every_epochs, saves.save_every_steps, saves.max_to_keep) == (1, 0, 1)


def test_a_run_to_start_from_may_lie_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert parsed(CheckpointsConfig, "--init_from=~/run").init_from == "/home/ada/run"


def test_a_run_that_goes_on_may_save_otherwise_but_not_have_started_from_other_weights():
    assert fixed(CheckpointsConfig) == {"init_from", "init_checkpoint", "init_optimizer"}
