"""A run that is evaluated on what each epoch held out, on two replicas, from flags to result."""

import json
import shutil

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from tests.trainer.test_training_flags import REPLICAS
from trainer.config import run as run_config


def train(prepared, workdir):
    """Of 72 images 18 are held out, and three batches of 16 are trained on."""
    finished = run_program(
        *(*TASK, *REPLICAS, f"--data_dir={prepared}", f"--workdir={workdir}"),
        *("--rotating_validation=0.25", "--epochs=4", "--eval_every=2", "--save_every_steps=5"),
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def rotated(prepared, tmp_path_factory):
    """A finished run; not to be changed."""
    workdir = tmp_path_factory.mktemp("rotated") / "run"
    said = train(prepared, workdir)
    assert "2 replicas, 72 training images, 18 of them held out in turn, 3 steps an epoch" in said
    assert "epoch 2  rotating: loss" in said
    return workdir


def test_what_was_held_out_is_watched_and_all_that_was_not_trained_on_has_a_result(rotated):
    rows = [row for row in without_rates(rotated) if row["split"] == "rotating"]
    assert [(row["step"], row["epoch"], row["records"]) for row in rows] == [
        (6, 2, 18),
        (12, 4, 18),
    ]
    splits = json.loads((rotated / "result.json").read_text())["splits"]
    assert {name: numbers["records"] for name, numbers in splits.items()} == {
        "rotating": 18,
        "validation": 24,
        "test": 24,
    }
    assert splits["rotating"]["loss"] == rows[-1]["loss"]
    assert run_config.read(str(rotated)).training.validation_split == "rotating"
    (best,) = (rotated / "checkpoints/best").iterdir()
    assert best.name in ("step-00000006", "step-00000012")
    assert (rotated / "curves.png").stat().st_size > 0


def test_a_run_that_was_stopped_holds_out_and_evaluates_the_same(rotated, prepared, tmp_path):
    workdir = shutil.copytree(rotated, tmp_path / "run")
    (workdir / "result.json").unlink()
    for path in (workdir / "checkpoints").glob("step-*"):
        if path.name != "step-00000005":  # within the second epoch
            shutil.rmtree(path)
    assert "resuming from the checkpoint at step 5" in train(prepared, workdir)
    assert without_rates(workdir) == without_rates(rotated)
    first, second = variables(rotated), variables(workdir)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
