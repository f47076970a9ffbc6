"""Saving checkpoints to go on from."""

import time

import pytest

from tests.trainer.loop.actions.states import state
from trainer.checkpoints import paths
from trainer.checkpoints.manager import CheckpointManager
from trainer.loop.actions.save_checkpoint import SaveCheckpoint
from trainer.loop.step_planner import Period


@pytest.fixture
def at():
    return state(6)


@pytest.fixture
def manager(at, tmp_path):
    return CheckpointManager(str(tmp_path), at)


def test_it_is_due_at_its_steps(at, manager):
    action = SaveCheckpoint(Period(20, (6,)), 0, manager)
    assert [action.next_step(step) for step in (0, 6, 18)] == [6, 12, 20]
    assert [at.step for at.step in range(1, 21) if action.is_due(at)] == [6, 12, 18, 20]


def test_a_checkpoint_without_the_evaluation_of_its_step_is_saved_again(at, manager, tmp_path):
    at.step = 7
    action = SaveCheckpoint(Period(20, (6,)), 0, manager)
    action(at)
    manager.wait()
    (first,) = paths.newest_first(f"{tmp_path}/checkpoints")
    assert action.is_due(at)
    action(at)  # there is nothing new
    manager.wait()
    assert paths.newest_first(f"{tmp_path}/checkpoints") == [first]
    at.record_evaluation(0.5)
    action(at)
    manager.wait()
    assert paths.newest_first(f"{tmp_path}/checkpoints") == [f"{first}-1"]
    at.step = 8
    assert not action.is_due(at)


def test_it_goes_by_the_clock_from_the_last_save_where_it_is_asked_to(at, manager, monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    by_clock = SaveCheckpoint(Period(20, (6,)), 30.0, manager)
    by_steps = SaveCheckpoint(Period(20, (6,)), 0.0, manager)
    now = 129.0
    assert not by_clock.is_due_by_clock()
    now = 130.0
    assert by_clock.is_due_by_clock()
    assert not by_steps.is_due_by_clock()
    by_clock(at)
    assert not by_clock.is_due_by_clock()
    manager.wait()
