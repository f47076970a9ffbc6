"""The course of a run: what it saves and when, what it goes by, and how it goes on."""

import shutil

import pytest
import tensorflow as tf

from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.conftest import run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import go_on, names
from tests.trainer.test_task import without_rates
from trainer import run_dir
from trainer.config import run as run_config
from trainer.loop import train


@pytest.fixture(scope="module")
def judged(prepared, tmp_path_factory):
    """A run that goes by its loss; not to be changed."""
    workdir = tmp_path_factory.mktemp("judged") / "run"
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={workdir}", "--epochs=12", "--max_to_keep=2",
        "--save_every_epochs=3", "--monitor=loss", "--learning_rate=0.2", "--seed=1",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return workdir


def test_a_run_saves_after_so_many_epochs_and_keeps_so_many(judged):
    assert names(judged / "checkpoints") == {"step-00000036", "step-00000048"}


def test_the_best_checkpoint_is_that_of_the_least_loss_where_that_is_what_counts(judged):
    rows = [row for row in without_rates(judged) if row["split"] == "validation"]
    least = min(rows, key=lambda row: row["loss"])
    assert least["step"] != max(rows, key=lambda row: row["rank1"])["step"]
    assert names(judged / "checkpoints/best") == {f"step-{least['step']:08d}"}


def test_the_program_goes_on_with_changes_and_writes_its_flags_again(copy, prepared):
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={copy}", "--steps=81", "--learning_rate=0.02",
        "--allow_changes",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "going on with changes: --learning_rate was 0.05 and is 0.02" in finished.stdout
    assert run_config.read(str(copy)).optimization.learning_rate == 0.02
    written = (copy / "flags.txt").read_text()
    assert "--learning_rate=0.02\n" in written
    assert "allow_changes" not in written


def test_each_start_gets_somewhere_however_few_its_minutes(copy):
    """The first one makes up for an evaluation that was due, too."""
    (copy / "result.json").unlink()
    for path in (copy / "checkpoints").glob("step-*"):
        if path.name != "step-00000076":
            shutil.rmtree(path)
    steps = []
    while not (result := go_on(copy, max_minutes=0.0)):
        steps.append(max(names(copy / "checkpoints")))
        assert len(steps) < 10
    assert result["steps"] == 80
    assert len(steps) > 1
    assert len(set(steps)) == len(steps)


def test_a_start_returns_the_result_it_wrote_and_leaves_the_flags_it_was_given(copy):
    result = go_on(copy, steps=81, flagfile="--steps=81\n")
    assert result == run_dir.read_result(str(copy))
    assert (result["steps"], result["bad_records"]) == (81, 0)
    assert result["splits"].keys() == {"validation", "test"}
    assert (copy / "flags.txt").read_text() == "--steps=81\n"
    assert run_config.read(str(copy)).training.steps == 81


def test_a_step_is_logged_then_evaluated_and_then_saved(copy):
    """So a run that is killed after that has nothing to make up for."""
    go_on(copy, steps=86)
    rows = [(row["step"], row["split"]) for row in without_rates(copy) if row["step"] > 80]
    assert rows == [(step, split) for step in (84, 86) for split in ("train", "validation")]
    saved = tf.train.load_checkpoint(str(copy / "checkpoints/step-00000084/variables"))
    for name in ("step", "since", "evaluated"):
        assert saved.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE") == 84


def test_a_start_that_fails_does_not_claim_the_run_directory(run, tmp_path):
    """The network does not stand: its images are too small for it."""
    changes = {"model": "lenet", "model_options": {}, "deterministic": False}
    config = with_values(run_config.read(str(run)), **changes)
    with pytest.raises(UserError, match="received 8×8"):
        train.train(config, dataset_dir.read_card(config.data.data_dir), str(tmp_path), "")
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_two_starts_in_one_run_directory_are_one_too_many(copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with run_dir.lock(str(copy)), pytest.raises(UserError, match="another process is training in"):
        go_on(copy, steps=81)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
