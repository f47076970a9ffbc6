"""Index and labels of a dataset directory: whole, or with something wrong."""

import shutil

import numpy as np
import pytest

from headrace.errors import UserError
from input.dataset import dataset_dir, record_files
from input.dataset.reader import Reader


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of the dataset directory, to be damaged."""
    return shutil.copytree(prepared, tmp_path / "copy")


@pytest.mark.parametrize(
    ("read", "suffix", "whole"),
    [(record_files.read_index, "index", 576), (record_files.read_labels, "labels", 288)],
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
        record_files.read_labels(str(copy), dataset_dir.read_card(str(copy)), "train")


def test_labels_that_are_not_those_of_the_card_are_refused(copy):
    labels = np.repeat(np.array([0, 1, 2], "<u4"), [24, 23, 25])
    (copy / "shades-train.labels").write_bytes(labels.tobytes())
    with pytest.raises(UserError, match="23 records of class 'grey', the card says 24; copy"):
        record_files.read_labels(str(copy), dataset_dir.read_card(str(copy)), "train")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_labels_are_those_of_the_records_in_their_order(prepared, split):
    card = dataset_dir.read_card(str(prepared))
    labels = record_files.read_labels(str(prepared), card, split)
    found = Reader(str(prepared), card, split).read(np.arange(card.splits[split].records))
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, found.label)


def test_index_bytes_are_the_offsets_of_all_shards():
    stored = record_files.index_bytes([[0, 17], [0, 5, 2**40]])
    np.testing.assert_array_equal(np.frombuffer(stored, "<u8"), [0, 17, 0, 5, 2**40])


def test_labels_bytes_are_the_labels_of_all_shards():
    stored = record_files.labels_bytes([[0, 17], [999, 0, 2**31]])
    np.testing.assert_array_equal(np.frombuffer(stored, "<u4"), [0, 17, 999, 0, 2**31])
