"""Datasets whose images have several classes or none, from the listing to what is on disk."""

import json
import shutil

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from beam_pipelines.output import hdf5
from headrace.errors import UserError
from input.dataset import dataset_dir, record_files
from tests.beam_pipelines.jobs import file_contents, prepare, write_listing
from tests.beam_pipelines.multi_label import CLASSES, multi_hot, rows, write_source

SPLITS = "train:0.5,validation:0.25,test:0.25"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder of images, and the classes of each."""
    folder = tmp_path_factory.mktemp("multi_label") / "source"
    return folder, write_source(folder)


@pytest.fixture(scope="module")
def data(source):
    """The dataset directory of the listing."""
    folder, classes = source
    prepare(write_listing(folder, rows(classes)), folder.parent / "data", splits=SPLITS)
    return folder.parent / "data"


def stored(data, card, split):
    """File name and class indices of each record, in stored order."""
    for record in tf.data.TFRecordDataset(dataset_dir.shard_paths(str(data), card, split)):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        assert feature["label"].WhichOneof("kind") == "int64_list"
        name = feature["file_name"].bytes_list.value[0].decode()
        yield name, list(feature["label"].int64_list.value)


def test_records_labels_file_card_and_tfds_say_what_the_listing_says(source, data):
    _, classes = source
    card = dataset_dir.read_card(str(data))
    assert (card.multi_label, card.format, card.classes) == (True, 4, CLASSES)
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 24,
        "validation": 12,
        "test": 12,
    }
    builder = tfds.builder_from_directory(str(data))
    assert builder.info.features["label"].feature.names == CLASSES
    seen: set[str] = set()
    for split in card.splits:
        records = list(stored(data, card, split))
        assert all(indices == sorted(indices) for _, indices in records)
        expected = [multi_hot(classes[name]) for name, _ in records]
        assert [[CLASSES[i] for i in indices] for _, indices in records] == [
            classes[name] for name, _ in records
        ]
        labels = record_files.read_labels(str(data), card, split)
        assert labels.dtype == np.bool_
        np.testing.assert_array_equal(labels, expected)
        assert card.splits[split].per_class == np.sum(expected, 0).tolist()
        assert (data / f"shades-{split}.labels").stat().st_size == len(records)
        read = {
            example["file_name"].numpy().decode(): example["label"].numpy().tolist()
            for example in builder.as_dataset(split=split)
        }
        assert read == dict(records)
        seen |= read.keys()
    assert seen == classes.keys()
    assert {len(names) for names in classes.values()} >= {0, 1, 2, 3}  # or it would show little


def test_every_class_has_its_share_of_every_split(data):
    card = dataset_dir.read_card(str(data))
    counts = np.array([split.per_class for split in card.splits.values()])
    assert (np.abs(counts - counts.sum(0) * [[0.5], [0.25], [0.25]]) <= 1).all()


def test_the_order_of_rows_and_names_and_the_format_of_the_listing_change_nothing(
    source, data, tmp_path
):
    folder, classes = source
    backwards = [
        {"path": path, "label": [*reversed(names), *names]}
        for path, names in reversed(classes.items())
    ]
    (folder / "backwards.json").write_text(json.dumps(backwards))
    prepare(f"listing:{folder / 'backwards.json'}", tmp_path / "again", splits=SPLITS)
    same, again = file_contents(data), file_contents(tmp_path / "again")
    assert same.keys() == again.keys()
    for name in same.keys() - {"card.json", "report.html"}:  # these name the source
        assert same[name] == again[name], name


def test_a_column_of_labels_makes_a_multi_label_dataset_of_single_names_as_well(source, tmp_path):
    folder, classes = source
    plain = [{"path": path, "labels": CLASSES[n % 2]} for n, path in enumerate(classes)]
    card = prepare(write_listing(folder, plain), tmp_path / "data")
    assert card.multi_label
    assert record_files.read_labels(str(tmp_path / "data"), card, "train").sum(1).tolist() == (
        [1] * card.splits["train"].records
    )


def test_the_same_pixels_under_other_classes_are_a_conflict_and_stay_together(source, tmp_path):
    folder, classes = source
    folder = shutil.copytree(folder, tmp_path / "source")
    listed = rows(classes)
    for number, names in enumerate(("cat|dog", "dog|cat", "")):
        shutil.copy(folder / "000.png", folder / f"copy{number}.png")
        listed.append({"path": f"copy{number}.png", "labels": names})
    listed[0]["labels"] = "cat|dog"
    card = prepare(write_listing(folder, listed), tmp_path / "data", duplicates="drop")
    assert card.duplicates["conflicts"] == 1
    assert card.source["duplicates_dropped"] == 2
    (line,) = map(json.loads, (tmp_path / "data/duplicates.jsonl").read_text().splitlines())
    assert [image["classes"] for image in line["images"]] == [["cat", "dog"]] * 3 + [[]]
    assert len({image["split"] for image in line["images"] if not image["dropped"]}) == 1
    report = (tmp_path / "data/report.html").read_text()
    for words in ("under more than one set of classes", ">cat|dog<", ">no class<"):
        assert words in report


def test_groups_and_splits_of_the_source_stay(source, tmp_path):
    folder, classes = source
    listed = [
        {**row, "split": "test" if n % 4 == 0 else "", "group": "" if n % 4 == 0 else f"g{n // 8}"}
        for n, row in enumerate(rows(classes))
    ]
    card = prepare(
        write_listing(folder, listed), tmp_path / "data", splits="train:0.5,validation:0.5"
    )
    where = {
        name: split for split in card.splits for name, _ in stored(tmp_path / "data", card, split)
    }
    assert {row["path"] for row in listed if row["split"]} == {
        name for name, split in where.items() if split == "test"
    }
    groups: dict[str, set[str]] = {}
    for row in listed:
        if row["group"]:
            groups.setdefault(row["group"], set()).add(where[row["path"]])
    assert len(groups) == 6
    assert all(len(splits) == 1 for splits in groups.values())
    assert [card.splits[name].records for name in ("train", "validation")] == [18, 18]


def test_a_class_without_a_sound_image_is_named(source, tmp_path):
    folder, classes = source
    listed = [*rows(classes), {"path": "gone.png", "labels": "cat|gnu"}]
    with pytest.raises(UserError, match=r"class 'gnu' of .* has no sound image"):
        prepare(write_listing(folder, listed), tmp_path / "data", max_bad_fraction=0.5)


def test_images_without_any_class_are_no_dataset(source, tmp_path):
    folder, classes = source
    listed = [{"path": path, "labels": ""} for path in classes]
    with pytest.raises(UserError, match="has no image of any class"):
        prepare(write_listing(folder, listed), tmp_path / "data")


def test_hdf5_holds_a_row_of_classes_and_comes_back_from_it(source, data, tmp_path):
    _, classes = source
    card = dataset_dir.read_card(str(data))
    output = tmp_path / "train.h5"
    for _ in hdf5.write(str(data), card, "train", str(output), 5, "none"):
        pass
    with h5py.File(output) as file:
        labels = file["labels"][:]
    expected = [multi_hot(classes[name]) for name, _ in stored(data, card, "train")]
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    again = prepare(f"hdf5:{output}", tmp_path / "again", splits="train:1")
    assert (again.multi_label, again.classes) == (True, CLASSES)
    assert {
        int(name.removeprefix("images/")): multi_hot([CLASSES[i] for i in indices])
        for name, indices in stored(tmp_path / "again", again, "train")
    } == dict(enumerate(expected))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(24), "0 records of class 'cat', the card says"),
        (b"\x10" * 24, "has the label 4, the card has 4 classes; copy"),
        (bytes(23), "23 bytes, 24 records take 24; copy"),
    ],
)
def test_a_labels_file_that_does_not_fit_the_card_is_refused(data, tmp_path, content, words):
    folder = shutil.copytree(data, tmp_path / "data")
    (folder / "shades-train.labels").write_bytes(content)
    with pytest.raises(UserError, match=words):
        record_files.read_labels(str(folder), dataset_dir.read_card(str(folder)), "train")
