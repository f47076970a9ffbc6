"""Saving what an evaluation found best."""

import pytest

from tests.trainer.loop.actions.states import state
from trainer.checkpoints import paths
from trainer.checkpoints.manager import CheckpointManager
from trainer.loop.actions.save_best import SaveBest


@pytest.mark.parametrize(
    ("last", "is_best", "due"), [(6, True, True), (6, False, False), (5, True, False)]
)
def test_it_is_due_where_the_evaluation_is_the_best(last, is_best, due, tmp_path):
    at = state(6, last_eval_step=last, is_best=is_best)
    assert SaveBest(CheckpointManager(str(tmp_path), at)).is_due(at) is due


def test_there_is_one_best(tmp_path):
    at = state(6)
    manager = CheckpointManager(str(tmp_path), at)
    for at.step in (6, 12):
        SaveBest(manager)(at)
    manager.wait()
    assert [paths.step_of(path) for path in paths.newest_first(f"{tmp_path}/checkpoints/best")] == [
        12
    ]
