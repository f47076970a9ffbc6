"""The dataset directory as a reader meets it: whole, or with something wrong."""

import json
import shutil

import numpy as np
import pytest

from headrace.errors import UserError
from input.dataset import dataset_dir
from input.dataset.reader import Reader


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of the dataset directory, to be damaged."""
    return shutil.copytree(prepared, tmp_path / "copy")


def rewrite_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


def test_a_card_survives_being_written_and_read(prepared):
    card = dataset_dir.read_card(str(prepared))
    assert dataset_dir.Card.from_json(card.to_json()) == card
    assert card.fingerprint == dataset_dir.fingerprint(card.splits)


def test_a_directory_without_a_card_is_unfinished(copy):
    (copy / "card.json").unlink()
    with pytest.raises(UserError, match=r"has no card\.json; run"):
        dataset_dir.read_card(str(copy))


def test_a_card_of_another_format_is_refused(copy):
    rewrite_card(copy, format=99)
    with pytest.raises(UserError, match="format 99"):
        dataset_dir.read_card(str(copy))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', "nonsense"])
def test_a_damaged_card_is_refused(copy, text):
    (copy / "card.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        dataset_dir.read_card(str(copy))


def test_a_shard_cut_short_is_refused(copy):
    shard = next(copy.glob("*-train.tfrecord-*"))
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(UserError, match=rf"{shard.name} has .* it is damaged"):
        dataset_dir.read_card(str(copy))


def test_a_missing_shard_is_refused(copy):
    shard = next(copy.glob("*-test.tfrecord-*"))
    shard.unlink()
    with pytest.raises(UserError, match=f"{shard.name} is missing"):
        dataset_dir.read_card(str(copy))


@pytest.mark.parametrize(
    ("read", "suffix", "whole"),
    [(dataset_dir.read_index, "index", 576), (dataset_dir.read_labels, "labels", 288)],
)
def test_an_index_or_labels_file_that_does_not_fit_is_refused(copy, read, suffix, whole):
    card = dataset_dir.read_card(str(copy))
    path = copy / f"shades-train.{suffix}"
    content = path.read_bytes()
    for cut in (8, 3):  # a number, and a part of one
        path.write_bytes(content[cut:])
        with pytest.raises(UserError, match=f"{whole - cut} bytes, 72 records take {whole}; copy"):
            read(str(copy), card, "train")
    path.unlink()
    with pytest.raises(UserError, match=rf"shades-train\.{suffix} is missing; copy it again"):
        read(str(copy), card, "train")


@pytest.mark.parametrize("label", [3, 2**32 - 1])
def test_a_label_of_no_class_is_refused(copy, label):
    path = copy / "shades-train.labels"
    path.write_bytes(path.read_bytes()[:-4] + np.array([label], "<u4").tobytes())
    with pytest.raises(UserError, match=f"has the label {label}, the card has 3 classes; copy"):
        dataset_dir.read_labels(str(copy), dataset_dir.read_card(str(copy)), "train")


def test_labels_that_are_not_those_of_the_card_are_refused(copy):
    labels = np.repeat(np.array([0, 1, 2], "<u4"), [24, 23, 25])
    (copy / "shades-train.labels").write_bytes(labels.tobytes())
    with pytest.raises(UserError, match="23 records of class 'grey', the card says 24; copy"):
        dataset_dir.read_labels(str(copy), dataset_dir.read_card(str(copy)), "train")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_labels_are_those_of_the_records_in_their_order(prepared, split):
    card = dataset_dir.read_card(str(prepared))
    labels = dataset_dir.read_labels(str(prepared), card, split)
    found = Reader(str(prepared), card, split).read(np.arange(card.splits[split].records))
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, found.label)


def test_an_unknown_split_is_refused(prepared):
    card = dataset_dir.read_card(str(prepared))
    with pytest.raises(UserError, match="no split 'tset'; it has 'train', 'validation', 'test'"):
        dataset_dir.shard_paths(str(prepared), card, "tset")


def test_index_bytes_are_the_offsets_of_all_shards():
    stored = dataset_dir.index_bytes([[0, 17], [0, 5, 2**40]])
    np.testing.assert_array_equal(np.frombuffer(stored, "<u8"), [0, 17, 0, 5, 2**40])


def test_labels_bytes_are_the_labels_of_all_shards():
    stored = dataset_dir.labels_bytes([[0, 17], [999, 0, 2**31]])
    np.testing.assert_array_equal(np.frombuffer(stored, "<u4"), [0, 17, 999, 0, 2**31])
