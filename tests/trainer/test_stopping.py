"""How runs end: at an objective, with the best checkpoint, or where the loss is no number."""

import io
import json
import math
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.conftest import ROOT, assert_one_line_error, run_program
from tests.trainer import workers
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import go_on, names
from tests.trainer.test_patience import assert_same_end, train, watched, without_end
from tests.trainer.test_task import variables
from trainer import run_dir
from trainer.config import run as run_config
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data


def result_of(workdir) -> dict:
    return json.loads((workdir / "result.json").read_text())


@pytest.fixture(scope="module")
def config(run):
    """Of a run that patience ends, with an average of its weights, and that goes back then."""
    return with_values(
        run_config.read(str(run)),
        model_options={"stages": [1], "filters": [4, 8]},
        learning_rate=0.3,
        steps=400,
        max_to_keep=1000,
        ema_decay=0.5,
        patience=3,
        min_delta=0.1,
        restore_best=True,
    )


@pytest.fixture(scope="module")
def ended(config, tmp_path_factory):
    """That run; not to be changed."""
    workdir = tmp_path_factory.mktemp("restored") / "run"
    train(workdir, config)
    return workdir


def test_the_result_is_that_of_the_best_checkpoint(ended):
    assert_result_of_the_best(ended)


def test_the_result_is_of_the_average_that_an_optimizer_keeps_by_itself(config, tmp_path):
    averaging = with_values(
        config, ema_decay=0.0, optimizer="schedule_free_adamw", learning_rate=0.02
    )
    train(tmp_path / "run", averaging)
    assert_result_of_the_best(tmp_path / "run")


def assert_result_of_the_best(workdir: pathlib.Path) -> None:
    rows, result = watched(workdir), result_of(workdir)
    best = max(rows, key=lambda row: row["rank1"])  # the first of them
    assert result["stopped"] == "patience"
    assert result["restored_step"] == best["step"] < result["steps"] == rows[-1]["step"]
    assert names(workdir / "checkpoints/best") == {f"step-{best['step']:08d}"}
    numbers = {name: best[name] for name in ("rank1", "rank5", "loss", "records")}
    assert result["splits"]["validation"] == pytest.approx(numbers, rel=1e-5)
    assert result["splits"]["validation"] != pytest.approx(
        {name: rows[-1][name] for name in numbers}, rel=1e-5
    )


def test_a_small_step_is_the_best_one_and_does_not_let_the_run_wait_longer(ended):
    reference, since = -math.inf, 0
    for row in watched(ended):
        assert since < 3
        since += 1
        if row["rank1"] - 0.1 > reference:
            reference, since = row["rank1"], 0
    assert since == 3 == result_of(ended)["evaluations_since_best"]


@pytest.mark.parametrize("evaluations", [0, 2])
def test_a_run_killed_before_its_result_has_the_same_one(ended, config, tmp_path, evaluations):
    """After its last save, or while it waits."""
    rows = watched(ended)
    without_end(ended, tmp_path / "run", after=rows[-1 - evaluations]["step"])
    train(tmp_path / "run", config)
    assert_same_end(tmp_path / "run", ended)


def test_programs_use_the_checkpoint_that_the_result_is_of(ended):
    finished = run_program("trainer.evaluate", f"--workdir={ended}", "--split=test")
    assert finished.returncode == 0, finished.stderr
    found = json.loads((ended / "evaluation-test.json").read_text())
    result = result_of(ended)
    assert (found["checkpoint"], found["step"]) == ("best", result["restored_step"])
    assert found["rank1"] == result["splits"]["test"]["rank1"]
    assert found["loss"] == pytest.approx(result["splits"]["test"]["loss"], rel=1e-5)


MIRRORED = ("--strategy=mirrored", "--logical_devices=2", "--stop_when=rank1>=0.9,loss<0.6")


def test_a_killed_run_ends_where_its_objective_is_first_met_on_two_devices(prepared, tmp_path):
    arguments = (*TASK, *MIRRORED, f"--data_dir={prepared}", "--epochs=40")
    whole = run_program(*arguments, f"--workdir={tmp_path / 'whole'}")
    assert whole.returncode == 0, whole.stderr
    rows = watched(tmp_path / "whole")
    met = [row["rank1"] >= 0.9 and row["loss"] < 0.6 for row in rows]
    assert met == [False] * (len(rows) - 1) + [True]
    assert len(rows) > 1
    result = result_of(tmp_path / "whole")
    assert (result["stopped"], result["steps"]) == ("objective", rows[-1]["step"])

    killed = tmp_path / "killed"
    command = [sys.executable, "-m", *arguments, f"--workdir={killed}"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        workers.signal_when(process, lambda: bool(names(killed / "checkpoints")), signal.SIGKILL)
    assert not (killed / "result.json").exists()
    again = run_program(*arguments, f"--workdir={killed}")
    assert again.returncode == 0, again.stderr
    assert_same_end(killed, tmp_path / "whole")
    finished = run_program(*arguments, f"--workdir={killed}")
    assert "where rank1>=0.9,loss<0.6 was reached; another --stop_when" in finished.stdout


def test_an_objective_that_was_met_is_looked_up_and_another_one_trains_on(run, tmp_path):
    workdir = shutil.copytree(run, tmp_path / "run")
    (last,) = [row for row in watched(run) if row["step"] == 80]
    go_on(workdir, steps=100, stop_when=f"rank1>={last['rank1']}")
    assert (result_of(workdir)["steps"], result_of(workdir)["stopped"]) == (80, "objective")
    (workdir / "metrics.jsonl").unlink()  # then it is evaluated
    go_on(workdir, steps=100, stop_when=f"rank1>={last['rank1']}")
    assert (result_of(workdir)["steps"], result_of(workdir)["stopped"]) == (80, "objective")
    go_on(workdir, steps=84, stop_when="loss<0")
    assert (result_of(workdir)["steps"], result_of(workdir)["stopped"]) == (84, "steps")


def test_bad_objectives_are_refused_before_anything_is_touched(prepared, tmp_path):
    workdir = tmp_path / "run"
    finished = run_program(
        *TASK,
        f"--data_dir={prepared}",
        f"--workdir={workdir}",
        "--epochs=1",
        "--stop_when=rank1>93",
    )
    assert_one_line_error(finished, 2, "--stop_when", "rank1 is a fraction of 1")
    assert not workdir.exists()


def assert_kept(folder: pathlib.Path, prepared, step: int, workdir) -> dict:
    """A folder has the batch of this step of a run."""
    about = json.loads((folder / "about.json").read_text())
    assert about["step"] == step
    config = run_config.read(str(workdir))
    card = dataset_dir.read_card(config.data.data_dir)
    data = Data(config, card, tf.distribute.get_strategy(), TrainingProgress(9))
    batch = next(iter(data.training(step)))
    with np.load(folder / "batch.npz") as kept:
        for name in ("image", "label"):
            np.testing.assert_array_equal(kept[name], batch[name])
        assert [record["record"] for record in about["records"]] == kept["record"].tolist()
        for record, image in zip(about["records"], kept["image"], strict=True):
            pixels = Image.open(prepared.parent / "source" / record["file_name"])
            np.testing.assert_array_equal(image[:, :, 0], np.asarray(pixels))
            assert record["file_name"].startswith(f"{record['class']}/")
    Image.open(io.BytesIO((folder / "images.png").read_bytes())).verify()
    return about


def test_the_batch_is_kept_whose_loss_is_no_number(copy, prepared):
    before, saved = variables(copy), names(copy / "checkpoints")
    said = (
        r"^the loss is (nan|inf) at step (\d+): its batch is kept in (\S+); lower "
        r"`learning_rate` \(now 1e\+30\) and start again in another `workdir`, or with "
        r"`allow_changes` go on from step 80$"
    )
    with pytest.raises(UserError, match=said) as caught:
        go_on(copy, allow_changes=True, steps=400, learning_rate=1e30)
    assert names(copy / "checkpoints") == saved
    for name, value in variables(copy).items():
        np.testing.assert_array_equal(value, before[name])
    (folder,) = (copy / "diverged").iterdir()
    assert str(folder) in str(caught.value)
    step = int(folder.name.removeprefix("step-"))
    assert 80 < step < 90
    about = assert_kept(folder, prepared, step, copy)
    assert (about["learning_rate"], about["losses_by_checkpoint"]) == (1e30, 80)
    losses = [record["loss"] for record in about["records"]]
    assert 0 < np.mean(losses) < 1
    assert not (copy / "result.json").exists()


def test_a_run_ends_whose_loss_is_far_above_that_of_guessing(copy, prepared):
    """It has learned in an earlier start, as the log says."""
    with pytest.raises(UserError, match=r"more than 2 times the 1\.099 of guessing, at step \d+:"):
        go_on(copy, allow_changes=True, steps=400, learning_rate=30.0, stop_on_divergence=2.0)
    losses = [row["loss"] for row in run_dir.read_metrics(str(copy)) if row["split"] == "train"]
    has_learned = np.minimum.accumulate(losses) < math.log(3)
    assert has_learned[19]  # in the start before
    last = len(losses) - 1
    ends = [n for n in range(1, last + 1) if has_learned[n - 1] and losses[n] > 2 * math.log(3)]
    assert ends == [last]
    (folder,) = (copy / "diverged").iterdir()
    about = assert_kept(folder, prepared, 4 * len(losses) - 1, copy)
    assert about["noticed_at_step"] == 4 * len(losses)


def test_two_workers_end_together_where_the_loss_is_no_number(prepared, tmp_path):
    workdir = tmp_path / "run"
    said = workers.run(
        2, *TASK, f"--data_dir={prepared}", f"--workdir={workdir}", "--epochs=50",
        "--learning_rate=1e30", "--restore_best",
    )  # fmt: skip
    assert [code for code, _, _ in said] == [1, 1], said
    (folder,) = (workdir / "diverged").iterdir()
    for _, _, errors in said:
        (line,) = errors.splitlines()
        assert f"its batch is kept in {folder}" in line
    assert_kept(folder, prepared, int(folder.name.removeprefix("step-")), workdir)
