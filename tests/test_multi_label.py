"""Images of several labels, from a listing to what is served, by the commands alone."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import assert_one_line_error, run_program

# What is on an image: a bright band in one of three places, any number of them.
BANDS = {"low": slice(5, 8), "middle": slice(3, 5), "top": slice(0, 2)}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A folder with a listing of 160 images, and what is on each."""
    folder = tmp_path_factory.mktemp("bands")
    rng, found = np.random.default_rng(0), {}
    for number in range(160):
        pixels = rng.integers(0, 60, (8, 8), dtype=np.uint8)
        names = [name for name in BANDS if rng.random() < 0.4]
        for name in names:
            pixels[BANDS[name]] += 180
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        found[f"{number:03d}.png"] = names
    rows = [f"{path},{'|'.join(names)}\n" for path, names in found.items()]
    (folder / "images.csv").write_text("path,labels\n" + "".join(rows))
    return folder, found


@pytest.fixture(scope="module")
def data(shown):
    """The dataset directory of the listing."""
    folder, _ = shown
    run(
        "beam_pipelines.prepare", f"--source=listing:{folder}/images.csv",
        f"--output_dir={folder / 'data'}", "--name=bands",
        "--splits=train:0.6,validation:0.2,test:0.2",
    )  # fmt: skip
    return folder / "data"


def run(*arguments: object) -> str:
    finished = run_program(*map(str, arguments))
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_what_a_listing_says_is_learnt_evaluated_predicted_and_served(shown, data, tmp_path):
    folder, found = shown
    workdir = tmp_path / "run"
    run(
        "trainer.task", f"--data_dir={data}", f"--workdir={workdir}", "--model=mlp", "--epochs=60",
        "--model_options=units=(16,)", "--batch_size=16", "--optimizer=adam", "--eval_every=10",
        "--learning_rate=0.01", "--stop_when=map>=0.999,f1>=0.999", "--logical_devices=2",
        "--strategy=mirrored",
    )  # fmt: skip
    result = json.loads((workdir / "result.json").read_text())
    assert result["stopped"] == "objective"
    numbers = result["splits"]["test"]
    assert numbers["map"] > 0.99
    page = (workdir / "report.html").read_text()
    assert all(f"{numbers[name]:.4f}</td>" in page for name in ("map", "f1", "threshold"))
    run("trainer.evaluate", f"--workdir={workdir}", "--split=test")
    evaluation = json.loads((workdir / "evaluation-test.json").read_text())
    for name in ("map", "f1", "macro_f1", "threshold", "records"):
        assert evaluation[name] == pytest.approx(numbers[name], abs=1e-6)

    shutil.copytree(data, tmp_path / "other")
    card = json.loads((data / "card.json").read_text())
    (tmp_path / "other/card.json").write_text(json.dumps({**card, "multi_label": False}))
    refused = run_program(
        "trainer.evaluate", f"--workdir={workdir}", "--split=test", f"--data_dir={tmp_path}/other"
    )
    assert_one_line_error(refused, 1, "has images of one label, other than the run in")

    paths = [folder / name for name in found]
    lines = run("trainer.predict", f"--workdir={workdir}", *paths).splitlines()
    predicted = [set(filter(None, line.split("\t")[1].split("|"))) for line in lines]
    right = [names == set(found[path.name]) for names, path in zip(predicted, paths, strict=True)]
    assert np.mean(right) > 0.95
    run("trainer.export", f"--workdir={workdir}")
    served = tf.saved_model.load(f"{workdir}/export/0001").signatures["serving_default"](
        image=tf.constant([path.read_bytes() for path in paths])
    )
    labels = [set(filter(None, text.decode().split("|"))) for text in served["labels"].numpy()]
    assert labels == predicted


def test_a_batch_whose_loss_is_no_number_is_kept_with_all_labels(shown, data, tmp_path):
    _, found = shown
    ended = run_program(
        "trainer.task", f"--data_dir={data}", f"--workdir={tmp_path}", "--model=mlp", "--steps=9",
        "--batch_size=16", "--optimizer=sgd", "--learning_rate=1e30",
    )  # fmt: skip
    assert_one_line_error(ended, 1, "its batch is kept in")
    (folder,) = (tmp_path / "diverged").iterdir()
    records = json.loads((folder / "about.json").read_text())["records"]
    assert len(records) == 16
    for record in records:
        names = "|".join(sorted(found[record["file_name"]]))
        assert record["class"] == (names or "no class")
