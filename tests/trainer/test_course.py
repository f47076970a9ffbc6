"""The course of a run: what it saves and when, what it goes by, and how it goes on."""

import re
import shutil

import numpy as np
import pytest

from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.conftest import run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.config import resume
from trainer.config import run as run_config
from trainer.loop import train as training


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


def names(folder) -> set[str]:
    return {path.name for path in folder.glob("step-*")}


def test_a_run_saves_after_so_many_epochs_and_keeps_so_many(judged):
    assert names(judged / "checkpoints") == {"step-00000036", "step-00000048"}


def test_the_best_checkpoint_is_that_of_the_least_loss_where_that_is_what_counts(judged):
    rows = [row for row in without_rates(judged) if row["split"] == "validation"]
    least = min(rows, key=lambda row: row["loss"])
    assert least["step"] != max(rows, key=lambda row: row["rank1"])["step"]
    assert names(judged / "checkpoints/best") == {f"step-{least['step']:08d}"}


def go_on(workdir, *, allow_changes=False, **changes):
    """Starts a run again, with other flags."""
    before = run_config.read(str(workdir))
    config = with_values(before, deterministic=False, **changes)
    resume.check_same_run(str(workdir), config, allow_changes)
    card = dataset_dir.read_card(config.data.data_dir)
    return training.train(config, card, str(workdir), "", allow_changes)


@pytest.fixture
def copy(run, tmp_path):
    """A run of 80 steps that ended, to go on with."""
    return shutil.copytree(run, tmp_path / "run")


def value(saved: dict[str, np.ndarray], name: str) -> np.ndarray:
    return saved[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"]


def weights_and_momenta(saved: dict[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """As the optimizer holds them; its first two variables are its steps and its rate."""
    count = sum(name.startswith("optimizer/_trainable_variables/") for name in saved)
    weights = [value(saved, f"optimizer/_trainable_variables/{i}") for i in range(count)]
    return weights, [value(saved, f"optimizer/_variables/{i + 2}") for i in range(count)]


def test_changes_are_refused_by_name_and_taken_up_when_allowed(copy):
    """By what was evaluated before, nothing is best; and at a rate of 0, only momenta move."""
    changes = {"steps": 81, "batch_size": 8, "lanes": 8, "learning_rate": 0.0, "monitor": "loss"}
    before = variables(copy)
    told = (
        "`batch_size` was 16 and is 8; `learning_rate` was 0.05 and is 0.0; `monitor` was rank1 "
        "and is loss; use the same values, another `workdir`, or `allow_changes`"
    )
    with pytest.raises(UserError, match=re.escape(told)):
        go_on(copy, **changes)
    assert go_on(copy, allow_changes=True, **changes)["steps"] == 81
    after = variables(copy)
    (weights, momenta), (moved, _) = weights_and_momenta(before), weights_and_momenta(after)
    for weight, momentum, now in zip(weights, momenta, moved, strict=True):
        np.testing.assert_allclose(now, weight + np.float32(0.9) * momentum, rtol=1e-6, atol=1e-9)
    train, watched = without_rates(copy)[-2:]
    assert (train["step"], train["learning_rate"]) == (81, 0.0)
    assert value(after, "best") == -watched["loss"]
    assert names(copy / "checkpoints/best") == {"step-00000081"}
    assert run_config.read(str(copy)).data.batch_size == 8


def test_with_another_kind_of_optimizer_it_starts_afresh(copy, capsys):
    before, changes = variables(copy), {"optimizer": "adam", "learning_rate": 0.0, "ema_decay": 0.9}
    go_on(copy, allow_changes=True, steps=81, **changes)
    assert "the optimizer starts afresh" in capsys.readouterr().out
    after = variables(copy)
    assert (value(before, "optimizer/_iterations"), value(after, "optimizer/_iterations")) == (
        80,
        1,
    )
    for one, other in zip(*(weights_and_momenta(s)[0] for s in (before, after)), strict=True):
        np.testing.assert_array_equal(one, other)
    go_on(copy, steps=82)
    assert value(variables(copy), "optimizer/_iterations") == 2


def test_what_waits_to_be_logged_is_dropped_when_a_batch_has_another_size(copy):
    """Or a mean over these images would be that of others."""
    go_on(copy, steps=83, save_every_seconds=1e-9, max_to_keep=9)
    for step in (82, 83):
        shutil.rmtree(copy / f"checkpoints/step-{step:08d}")
    assert value(variables(copy), "since") == 80
    go_on(copy, allow_changes=True, steps=84, batch_size=8, lanes=8)
    row = without_rates(copy)[-2]
    assert (row["step"], row["split"]) == (84, "train")
    # Of 24 images: over the 32 of four steps it would be 0.75, and with more hits over 1.
    assert 0.9 < row["rank1"] <= 1


def test_a_checkpoint_knows_its_run_where_the_run_directory_says_otherwise(copy):
    """As after a start that was killed before it saved what it had been allowed to change."""
    path = copy / "config.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5'))
    with pytest.raises(UserError, match="step-00000080 is of another run: `seed` was 0 and is 5"):
        go_on(copy, steps=81)
    assert go_on(copy, allow_changes=True, steps=81)["steps"] == 81


def test_the_mean_image_is_that_of_what_is_trained_on_now(prepared, tmp_path):
    asked = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"]
    finished = run_program(*asked, "--normalization=mean_image", "--steps=1")
    assert finished.returncode == 0, finished.stderr
    before = run_dir.read_mean_image(str(tmp_path / "run"))
    go_on(tmp_path / "run", steps=2)
    np.testing.assert_array_equal(run_dir.read_mean_image(str(tmp_path / "run")), before)
    go_on(tmp_path / "run", allow_changes=True, steps=3, train_split="train[:20]")
    after = run_dir.read_mean_image(str(tmp_path / "run"))
    assert before is not None and after is not None
    assert np.abs(after - before).max() > 1


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


def test_a_run_whose_last_step_spoils_the_weights_has_no_result(copy):
    """No training step comes after it that would tell."""
    with pytest.raises(UserError, match=r"the loss is nan at step 81; lower `learning_rate`"):
        go_on(copy, allow_changes=True, steps=81, learning_rate=1e38)
    assert run_dir.read_result(str(copy)) is None
