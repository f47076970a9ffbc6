"""What a run sees of images: the same in training, evaluation and the exported model."""

import json

import numpy as np
import pytest

from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.preprocessing.spec import Preprocessing
from tests.conftest import assert_one_line_error, run_program
from tests.trainer.conftest import TASK
from trainer import run_dir

SEEN = ("--image_size=6", "--resize_to=8,7", "--resize=squash", "--normalization=mean_image")


@pytest.fixture(scope="module")
def cropped(prepared, tmp_path_factory):
    """A run on random crops of squashed images, less the mean of each of their pixels."""
    workdir = tmp_path_factory.mktemp("cropped") / "run"
    finished = run_program(
        *TASK, *SEEN, f"--data_dir={prepared}", f"--workdir={workdir}", "--epochs=15",
        "--crop=random",
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    return workdir


def test_the_mean_image_of_the_training_split_is_subtracted_and_kept(cropped, prepared):
    card = dataset_dir.read_card(str(prepared))
    reader = Reader(str(prepared), card, "train")
    view = Preprocessing((6, 6), (8, 7), "squash")
    batch = next(iter(stream.evaluation(reader, view, batch_size=len(reader))))
    expected = batch["image"].numpy().mean(0, dtype=np.float64)
    mean_image = run_dir.read_mean_image(str(cropped))
    assert mean_image is not None
    np.testing.assert_allclose(mean_image, expected, rtol=1e-6)


def test_a_run_that_sees_crops_learns(cropped):
    result = json.loads((cropped / "result.json").read_text())
    assert result["splits"]["test"]["rank1"] > 0.9


@pytest.mark.parametrize("crops", ["5", "10"])
def test_predictions_of_several_crops_are_averaged(cropped, crops):
    finished = run_program(
        "trainer.evaluate", f"--workdir={cropped}", f"--crops={crops}", "--split=test"
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    written = json.loads((cropped / "evaluation-test.json").read_text())
    assert written["crops"] == int(crops)
    assert written["rank1"] > 0.9


def test_several_crops_need_more_of_an_image_than_the_model_sees(run):
    finished = run_program("trainer.evaluate", f"--workdir={run}", "--crops=5")
    assert_one_line_error(finished, 2, "--crops=5", "--resize_to")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("--resize_to=9,9", "--resize_to was [8, 7] and is [9, 9]"),
        ("--resize=cover", "--resize was squash and is cover"),
        ("--normalization=unit", "--normalization was mean_image and is unit"),
        ("--crop=none", "--crop was random and is none;"),
    ],
)
def test_a_run_goes_on_only_with_what_it_saw(cropped, prepared, changed, said):
    finished = run_program(
        *TASK, *SEEN, f"--data_dir={prepared}", f"--workdir={cropped}", "--epochs=16",
        "--crop=random", changed,
    )  # fmt: skip
    assert_one_line_error(finished, 1, said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--resize_to=7"], "--resize_to=7,7 is smaller than the model's input, 8,8"),
        (["--crop=random"], "--crop=random cuts the model's input from a larger image"),
        (["--normalization=torch"], "normalisation 'torch' is for RGB images"),
    ],
)
def test_views_that_cannot_be_had_are_refused(prepared, tmp_path, wrong, said):
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1", *wrong
    )
    assert_one_line_error(finished, 2, said)
    assert not (tmp_path / "run").exists()
