"""The dataset directory as a reader meets it: whole, or with something wrong."""

import json
import shutil

import pytest

from headrace.errors import UserError
from input.dataset import dataset_dir


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


def test_an_unknown_split_is_refused(prepared):
    card = dataset_dir.read_card(str(prepared))
    with pytest.raises(UserError, match="no split 'tset'; it has 'train', 'validation', 'test'"):
        dataset_dir.shard_paths(str(prepared), card, "tset")
