"""Runs whose optimizer keeps more than momentum: stopped, resumed, evaluated and started from."""

import json
import shutil

import numpy as np
import pytest

from tests.conftest import assert_one_line_error, run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.test_transfer import assert_same_run, train_in_parts
from trainer.checkpoints import restore
from trainer.config import run as run_config

STEPS = 5


@pytest.fixture(scope="module")
def config(run):
    """A run with all of it at once."""
    return with_values(
        run_config.read(str(run)),
        model="mlp",
        model_options={"units": (8, 8)},
        optimizer="schedule_free_adamw",
        learning_rate=0.02,
        warmup_steps=3,
        weight_decay=0.1,
        lookahead_steps=3,
        group_rates=("*/bias=2", "logits/*=0.5"),
        group_optimizers=("dense#0/kernel=nadam(learning_rate=0.05)",),
        deterministic=False,
        epochs=2,
        steps=STEPS,
        save_every_steps=4,
    )


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert train_in_parts(workdir, config, None) == 1
    return workdir


def test_a_run_that_is_stopped_at_every_step_ends_as_one_that_never_was(config, whole, tmp_path):
    assert train_in_parts(tmp_path / "parts", config, 1e-9) > STEPS / 2
    assert_same_run(whole, tmp_path / "parts")


def test_evaluation_takes_the_average_in_the_run_and_behind_it(config, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    finished = run_program("trainer.evaluate", f"--workdir={tmp_path / 'run'}", "--split=test")
    assert finished.returncode == 0, finished.stderr
    written = json.loads((tmp_path / "run/evaluation-test.json").read_text())
    result = json.loads((whole / "result.json").read_text())["splits"]["test"]
    assert written["weights"] == "ema"
    assert written["loss"] == pytest.approx(result["loss"], rel=1e-5)
    raw, average = (
        restore.load_model(config, str(whole), "latest", average)[0].get_weights()
        for average in (False, True)
    )
    # All but those of the layer that has another optimizer.
    same = [np.array_equal(*each) for each in zip(raw, average, strict=True)]
    assert same == [True, False, False, False, False, False]


def test_another_run_starts_from_the_average(config, whole, tmp_path):
    further = with_values(
        config,
        init_from=str(whole),
        init_checkpoint="latest",
        optimizer="sgd",
        group_optimizers=(),
        lookahead_steps=0,
        learning_rate=0.0,
    )
    train_in_parts(tmp_path / "run", further, None)
    first, _ = restore.load_model(further, str(tmp_path / "run"), "latest")
    average, _ = restore.load_model(config, str(whole), "latest", average=True)
    for value, expected in zip(first.get_weights(), average.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_pattern_without_weights_is_refused_before_training(prepared, tmp_path):
    asked = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=2")
    words = "--group_rates: head/* names no weight that trains; there are global_"
    assert_one_line_error(run_program(*asked, "--group_rates=*/bias=2,head/*=2"), 1, words)
    assert not (tmp_path / "run/config.json").exists()
