"""Restoring the weights of a run that was trained."""

import shutil

import pytest

from headrace.errors import UserError
from tests.trainer import savers
from tests.trainer.checkpoints.damage import DAMAGES, FILES, cut
from trainer.checkpoints import restore
from trainer.checkpoints.manager import CheckpointManager


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run with checkpoints of the steps 1 and 2, and a best one of step 1."""
    workdir, state = tmp_path_factory.mktemp("written") / "run", savers.tiny()
    manager = CheckpointManager(str(workdir), state)
    for step in (1, 2):
        savers.fill(state, step)
        manager.save()
        if step == 1:
            manager.save_best()
    manager.wait()
    return workdir


@pytest.fixture
def run(written, tmp_path):
    return shutil.copytree(written, tmp_path / "run")


def weights(model) -> set[float]:
    return {float(x) for variable in model.variables for x in variable.numpy().flat}


@pytest.mark.parametrize(("which", "step"), [("latest", 2), ("best", 1)])
def test_weights_are_those_of_the_checkpoint(run, which, step):
    model = savers.tiny(seed=3).model
    assert restore.restore_model(str(run), model, which) == step
    assert weights(model) == {step}


def test_a_damaged_latest_one_gives_way_to_the_one_before_and_is_named(run):
    cut(run / "checkpoints/step-00000002" / FILES[2])
    model = savers.tiny(seed=3).model
    notes: list[str] = []
    assert restore.restore_model(str(run), model, "latest", note=notes.append) == 1
    assert weights(model) == {1}
    (note,) = notes
    assert "step-00000002 is damaged (its file" in note
    assert note.endswith("taking the one before")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_best_one_is_an_error_that_names_the_latest(run, damage, name):
    """Who asks for the best is not given another without a word."""
    damage(run / "checkpoints/best/step-00000001" / name)
    with pytest.raises(restore.NoSoundCheckpointError, match="or use the latest one") as caught:
        restore.restore_model(str(run), savers.tiny().model, "best")
    (folder,) = caught.value.damaged
    assert folder == f"{run}/checkpoints/best/step-00000001"
    assert "\n" not in str(caught.value)


def test_a_run_without_the_checkpoint_says_so(run):
    shutil.rmtree(run / "checkpoints/best")
    with pytest.raises(UserError, match="has no best checkpoint yet; train with"):
        restore.restore_model(str(run), savers.tiny().model, "best")


def test_more_than_the_model_is_restored_where_it_is_asked_for(run):
    state, other = savers.tiny(), savers.tiny(seed=4)
    savers.train(savers.tf.distribute.get_strategy(), state)
    state.step = 9
    manager = CheckpointManager(str(run), state)
    manager.save()
    manager.wait()
    assert restore.restore_model(str(run), other.model, "latest", optimizer=other.optimizer) == 9
    assert savers.values(other) == savers.values(state)
