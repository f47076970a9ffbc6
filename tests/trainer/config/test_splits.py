"""What a run trains on, watches and evaluates: by itself, and on slices and folds as asked."""

import json

import pytest

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import prepare
from tests.conftest import assert_one_line_error, run_program, write_images
from tests.trainer.conftest import TASK
from trainer import run_dir
from trainer.config import splits


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """A dataset of three folds of 20 records; the first class has three times the second's."""
    folder = tmp_path_factory.mktemp("folds")
    write_images(folder / "source", {"dark": 45, "light": 15})
    prepare(folder / "source", folder / "data", splits="kfold:3")
    return folder / "data"


def cards(prepared, folds) -> list[tuple[str, dataset_dir.Card]]:
    return [(str(folder), dataset_dir.read_card(str(folder))) for folder in (prepared, folds)]


def test_what_is_watched_shares_nothing_with_what_is_trained_on(prepared, folds):
    whole, parts = cards(prepared, folds)
    assert splits.validation_split(*whole, "train", None) == "validation"
    assert splits.validation_split(*whole, "train+validation", None) == "test"
    assert splits.validation_split(*whole, "train[:90%]", "train[90%:]") == "train[90%:]"
    assert splits.validation_split(*whole, "all", None) is None
    assert splits.validation_split(*parts, "fold_0+fold_1", None) is None
    assert splits.validation_split(*parts, "fold_0+fold_1", "fold_2") == "fold_2"
    with pytest.raises(UsageError, match="share 12 records"):
        splits.validation_split(*whole, "train[:60]", "train[48:]")
    with pytest.raises(UsageError, match="share 24 records"):
        splits.validation_split(*whole, "train+test", "test")
    with pytest.raises(UserError, match="no split 'vali'"):
        splits.validation_split(*whole, "train", "vali")


def test_in_the_metrics_what_is_watched_is_not_called_train(prepared, folds):
    whole, _ = cards(prepared, folds)
    assert splits.validation_split(*whole, "test", "train") == "train[0:]"


def test_records_to_train_on_are_counted_and_folds_must_be_named(prepared, folds):
    whole, parts = cards(prepared, folds)
    assert splits.train_records(*whole, "train[:50%]+test") == 36 + 24
    with pytest.raises(
        UserError, match=r"'fold_2': say which, as in `train_split`=fold_0\+fold_1$"
    ):
        splits.train_records(*parts, "train")


def test_a_run_on_folds_watches_one_and_can_be_evaluated_on_slices(folds, tmp_path):
    asked = [*TASK, f"--data_dir={folds}", f"--workdir={tmp_path / 'run'}", "--steps=4"]
    chosen = ["--train_split=fold_0+fold_1[:50%]", "--validation_split=fold_1[50%:]"]
    finished = run_program(
        *asked,
        *chosen,
        "--batch_size=10",
        "--batch_sampling=stratified",
        "--class_weights=balanced",
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "30 training images, 3 steps an epoch" in finished.stdout
    result = json.loads((tmp_path / "run/result.json").read_text())
    counts = {split: numbers["records"] for split, numbers in result["splits"].items()}
    assert counts == {"fold_1[50%:]": 10, "fold_2": 20}
    rows = run_dir.read_metrics(str(tmp_path / "run"))
    assert {row["split"] for row in rows} == {"train", "fold_1[50%:]"}

    other = run_program(*asked, "--train_split=fold_0", "--batch_size=10")
    assert_one_line_error(other, 1, "--train_split was fold_0+fold_1[:50%] and is fold_0")
    evaluated = run_program(
        "trainer.evaluate", f"--workdir={tmp_path / 'run'}", "--split=fold_2[5:]"
    )
    assert (evaluated.returncode, evaluated.stderr) == (0, "")
    assert (tmp_path / "run/evaluation-fold_2[5:].json").exists()
    assert "(15 images, step 4)" in evaluated.stdout


def test_class_weights_count_in_the_loss_of_a_run(folds, tmp_path):
    losses = []
    for weights in ("none", "balanced"):
        workdir = tmp_path / weights
        finished = run_program(
            *TASK, f"--data_dir={folds}", f"--workdir={workdir}", "--train_split=fold_0",
            "--batch_size=20", "--steps=1", f"--class_weights={weights}",
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        losses.append(run_dir.read_metrics(str(workdir))[0]["loss"])
    # 15 images count once and 5 three times; untrained, each costs about the same.
    assert 1.2 < losses[1] / losses[0] < 1.8


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--train_split=train["], 2, "'train[' names no part of a dataset"),
        (["--train_split=train[:50%]", "--validation_split=train"], 2, "share 36 records"),
        (["--train_split=train[:10]"], 1, "10 records, fewer than one batch of 16"),
    ],
)
def test_parts_that_cannot_be_are_refused_at_the_start(prepared, tmp_path, flags, code, words):
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1", *flags
    )
    assert_one_line_error(finished, code, words)
    assert not (tmp_path / "run").exists()
