"""`tfds:` takes what TensorFlow Datasets opens, with its splits; without a network it says so."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from beam_pipelines import sources
from beam_pipelines.sources import tfds as tfds_source
from headrace.errors import UserError
from tests.beam_pipelines.jobs import prepare, stored_records
from tests.conftest import assert_one_line_error, run_program, write_images

NAMES = ["cat", "dog"]


def build(folder, features, splits):
    """A dataset of these examples, written by TFDS itself; returns its folder."""
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name="animals",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={name: enumerate(rows) for name, rows in splits.items()},
        data_dir=folder,
        disable_shuffling=True,
    )
    return str(builder.data_path)


def examples(count, seed, label=lambda number: number % 2):
    images = np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)
    return [
        {"picture": image, "animal": label(number), "age": 7} for number, image in enumerate(images)
    ]


FEATURES = {
    "picture": tfds.features.Image(shape=(None, None, 3)),
    "animal": tfds.features.ClassLabel(names=NAMES),
    "age": np.int64,
}


def test_a_dataset_of_tfds_keeps_splits_labels_and_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_source, "_RANGE", 5)  # so that there are several parts
    made = {"train": examples(12, 0), "test": examples(6, 1), "extra": examples(4, 2)}
    spec = f"tfds:{build(tmp_path / 'tfds', FEATURES, made)}"
    card = prepare(spec, tmp_path / "data", splits="", encoding="raw")
    assert card.classes == NAMES
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 12,
        "test": 6,
        "extra": 4,
    }
    meant = {
        row["picture"].tobytes(): NAMES[row["animal"]] for rows in made.values() for row in rows
    }
    builder = tfds.builder_from_directory(str(tmp_path / "data"))
    for split, rows in made.items():
        found = {row["image"].tobytes(): NAMES[row["label"]]
                 for row in builder.as_dataset(split=split).as_numpy_iterator()}  # fmt: skip
        assert found == {row["picture"].tobytes(): meant[row["picture"].tobytes()] for row in rows}


def test_a_validation_split_is_cut_from_its_train(tmp_path):
    folder = build(tmp_path / "tfds", FEATURES, {"train": examples(10, 0), "test": examples(4, 1)})
    card = prepare(f"tfds:{folder}", tmp_path / "data", splits="train:0.8,validation:0.2")
    assert {name: split.per_class for name, split in card.splits.items()} == {
        "train": [4, 4],
        "validation": [1, 1],
        "test": [2, 2],
    }


def test_one_split_is_divided_as_any_folder(tmp_path):
    folder = build(tmp_path / "tfds", FEATURES, {"train": examples(10, 0)})
    card = prepare(f"tfds:{folder}", tmp_path / "data")
    assert {name: split.records for name, split in card.splits.items()} == {"train": 6, "test": 4}


def test_a_directory_that_prepare_wrote_can_be_prepared_again(tmp_path):
    write_images(tmp_path / "source", {"dark": 10, "light": 10})
    first = prepare(tmp_path / "source", tmp_path / "first")
    second = prepare(f"tfds:{tmp_path / 'first'}", tmp_path / "second", splits="")
    assert (second.classes, second.mean, second.std) == (first.classes, first.mean, first.std)
    before, after = stored_records(tmp_path / "first"), stored_records(tmp_path / "second")
    assert {path.split("/", 2)[2]: row for path, row in after.items()} == before
    pixels = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "source").rglob("*")
              if path.is_file() and path.parent.name == "dark"}  # fmt: skip
    builder = tfds.builder_from_directory(str(tmp_path / "second"))
    for example in builder.as_dataset(split="train+test").as_numpy_iterator():
        name = example["file_name"].decode()
        if "/dark/" in name:
            np.testing.assert_array_equal(example["image"][..., 0], pixels[name[-7:]])


def test_an_image_without_a_label_is_quarantined(tmp_path):
    rows = examples(12, 0, lambda number: -1 if number == 5 else number % 2)
    folder = build(tmp_path / "tfds", FEATURES, {"train": rows})
    card = prepare(f"tfds:{folder}", tmp_path / "data", splits="train:1", max_bad_fraction=0.1)
    row = json.loads((tmp_path / "data/quarantine.jsonl").read_text())
    assert (row["path"], row["reason"]) == ("train/00000005", "unlabelled")
    assert card.splits["train"].per_class == [6, 5]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"animal": FEATURES["animal"]}, "has 0 features of kind Image"),
        ({"picture": FEATURES["picture"]}, "has 0 features of kind ClassLabel"),
        ({**FEATURES, "mask": FEATURES["picture"]}, "has 2 features of kind Image"),
    ],
)
def test_a_dataset_that_is_none_of_classification_is_refused(tmp_path, features, words):
    rows = [{**row, "mask": row["picture"]} for row in examples(2, 0)]
    rows = [{name: row[name] for name in features} for row in rows]
    with pytest.raises(UserError, match=words):
        sources.read(f"tfds:{build(tmp_path, features, {'train': rows})}", "")


def test_one_class_or_another_number_is_refused(tmp_path):
    one = {**FEATURES, "animal": tfds.features.ClassLabel(names=["cat"])}
    for number, (features, rows, classes, words) in enumerate([
        (FEATURES, examples(4, 0), 3, r"has 2 classes .*`num_classes` says 3"),
        (one, examples(4, 0, lambda _: 0), None, "one class only, 'cat'"),
    ]):  # fmt: skip
        folder = build(tmp_path / str(number), features, {"train": rows})
        with pytest.raises(UserError, match=words):
            prepare(f"tfds:{folder}", tmp_path / "data", num_classes=classes)
        assert not (tmp_path / "data").exists()


def test_a_folder_that_is_none_of_tfds_is_refused(tmp_path):
    for path, words in {tmp_path: "dataset_info", tmp_path / "nowhere": "no such folder"}.items():
        with pytest.raises(UserError, match=f"cannot be opened: .*{words}"):
            sources.read(f"tfds:{path}", "")


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match=r"tfds:no_such_dataset cannot be opened: .* not found\.?$"):
        sources.read("tfds:no_such_dataset", "")


def test_a_dataset_that_cannot_be_downloaded_ends_in_one_line(tmp_path):
    closed = "http://127.0.0.1:9"  # nothing listens there
    finished = run_program(
        "beam_pipelines.prepare",
        "--source=tfds:mnist",
        f"--output_dir={tmp_path / 'data'}",
        TFDS_DATA_DIR=str(tmp_path / "tfds"),
        HTTP_PROXY=closed,
        HTTPS_PROXY=closed,
        http_proxy=closed,
        https_proxy=closed,
        no_proxy="",
    )
    assert_one_line_error(finished, 1, "--source=tfds:mnist cannot be opened", "Unable to connect")
    assert not (tmp_path / "data").exists()
