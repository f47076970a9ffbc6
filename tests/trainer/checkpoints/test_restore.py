"""Restoring the weights of a run that was trained, and its model with them."""

import json
import shutil

import numpy as np
import pytest

from headrace.errors import UserError
from tests.trainer import savers
from tests.trainer.checkpoints.damage import DAMAGES, FILES, cut
from tests.trainer.configs import with_values
from trainer.checkpoints import restore
from trainer.checkpoints.manager import CheckpointManager
from trainer.config import run as run_config


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
def saved(written, tmp_path):
    """A copy of that run, to be damaged."""
    return shutil.copytree(written, tmp_path / "run")


def weights(model) -> set[float]:
    return {float(x) for variable in model.variables for x in variable.numpy().flat}


@pytest.mark.parametrize(("which", "step"), [("latest", 2), ("best", 1)])
def test_weights_are_those_of_the_checkpoint(saved, which, step):
    model = savers.tiny(seed=3).model
    assert restore.restore_model(str(saved), model, which) == step
    assert weights(model) == {step}


def test_a_damaged_latest_one_gives_way_to_the_one_before_and_is_named(saved):
    cut(saved / "checkpoints/step-00000002" / FILES[2])
    model = savers.tiny(seed=3).model
    notes: list[str] = []
    assert restore.restore_model(str(saved), model, "latest", note=notes.append) == 1
    assert weights(model) == {1}
    (note,) = notes
    assert "step-00000002 is damaged (its file" in note
    assert note.endswith("): taking step-00000001")


def test_what_a_program_takes_in_place_of_damaged_ones_is_logged(run, tmp_path, caplog):
    workdir, config = shutil.copytree(run, tmp_path / "run"), run_config.read(str(run))
    restore.load_model(config, str(workdir), "latest")
    assert not caplog.records
    damaged = [workdir / f"checkpoints/step-000000{step}" for step in (80, 76)]
    for folder in damaged:
        cut(folder / FILES[2])
    assert restore.load_model(config, str(workdir), "latest")[1] == 72
    for folder, record in zip(damaged, caplog.records, strict=True):
        assert record.levelname == "WARNING"
        assert record.getMessage().startswith(f"checkpoint {folder} is damaged (its file ")
        assert record.getMessage().endswith("): taking step-00000072")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_best_one_is_an_error_that_names_the_latest(saved, damage, name):
    """Who asks for the best is not given another without a word."""
    damage(saved / "checkpoints/best/step-00000001" / name)
    with pytest.raises(restore.NoSoundCheckpointError, match="or use the latest one") as caught:
        restore.restore_model(str(saved), savers.tiny().model, "best")
    (folder,) = caught.value.damaged
    assert folder == f"{saved}/checkpoints/best/step-00000001"
    assert "\n" not in str(caught.value)


def test_a_run_without_the_checkpoint_says_so(saved):
    shutil.rmtree(saved / "checkpoints/best")
    with pytest.raises(UserError, match="has no best checkpoint yet; train with"):
        restore.restore_model(str(saved), savers.tiny().model, "best")


def test_more_than_the_model_is_restored_where_it_is_asked_for(saved):
    state, other = savers.tiny(), savers.tiny(seed=4)
    savers.train(savers.tf.distribute.get_strategy(), state)
    state.step = 9
    manager = CheckpointManager(str(saved), state)
    manager.save()
    manager.wait()
    assert restore.restore_model(str(saved), other.model, "latest", optimizer=other.optimizer) == 9
    assert savers.values(other) == savers.values(state)


def test_each_checkpoint_gives_its_own_step_and_weights(run):
    config = run_config.read(str(run))
    latest, latest_step = restore.load_model(config, str(run), "latest")
    best, best_step = restore.load_model(config, str(run), "best")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluations = [row for row in rows if row["split"] == "validation"]
    top = max(evaluations, key=lambda row: (row["rank1"], -row["step"]))
    assert (latest_step, best_step) == (config.training.steps, top["step"])
    differences = [
        np.abs(one - other).max()
        for one, other in zip(latest.get_weights(), best.get_weights(), strict=True)
    ]
    assert (max(differences) > 0) == (latest_step != best_step)


def test_a_run_that_is_not_there_or_of_another_network_is_refused(run, tmp_path):
    config = run_config.read(str(run))
    with pytest.raises(UserError, match="has no best checkpoint yet"):
        restore.load_model(config, str(tmp_path), "best")
    wider = with_values(config, model_options={"stages": (1, 1), "filters": (4, 4, 16)})
    with pytest.raises(UserError, match="is of another model"):
        restore.load_model(wider, str(run), "latest")
