"""The course of a run: what it saves and when, what it goes by, and how it goes on."""

import pytest

from tests.conftest import run_program
from tests.trainer.conftest import TASK
from tests.trainer.test_task import without_rates


@pytest.fixture(scope="module")
def judged(prepared, tmp_path_factory):
    """A run that goes by its loss; not to be changed."""
    workdir = tmp_path_factory.mktemp("judged") / "run"
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={workdir}", "--epochs=12", "--keep=2",
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
