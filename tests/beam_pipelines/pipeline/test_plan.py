"""The plan: which images come to which split and shard, in which order, and what ends a job."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import (
    images_in_order,
    names_in_order,
    prepare,
    quarantine_reasons,
    write_listing,
)
from tests.conftest import assert_one_line_error, run_program, write_images


def test_the_card_says_which_fractions_the_default_was(source, tmp_path):
    card = prepare(source, tmp_path / "data", splits="")
    assert card.split_fractions == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert [split.records for split in card.splits.values()] == [24, 3, 3]


@pytest.mark.parametrize(("images", "test"), [(999, 200), (1_000, 100)])
def test_auto_follows_the_number_of_images(tmp_path, images, test):
    write_images(tmp_path / "source", {"dark": 600, "light": images - 600}, size=(4, 4))
    card = prepare(tmp_path / "source", tmp_path / "data", splits="auto")
    validation = round((images - test) / 10)
    sizes = {name: split.records for name, split in card.splits.items()}
    assert sizes == {"train": images - test - validation, "validation": validation, "test": test}
    for name, share in card.split_fractions.items():
        for count, total in zip(card.splits[name].per_class, (600, images - 600), strict=True):
            assert abs(count - total * share) <= 1


def test_auto_counts_the_images_that_are_left(tmp_path):
    write_images(tmp_path / "source", {"dark": 500, "light": 500}, size=(4, 4))
    (tmp_path / "source/dark/000.png").write_text("no image")
    card = prepare(tmp_path / "source", tmp_path / "data", splits="auto")
    assert card.split_fractions["test"] == 0.2  # of 999


def test_sizes_are_exact_and_stratified(tmp_path):
    write_images(tmp_path / "source", {"a": 13, "b": 29, "c": 61})
    card = prepare(tmp_path / "source", tmp_path / "data", splits="validation:17,test:23")
    assert [split.records for split in card.splits.values()] == [63, 17, 23]
    for split in card.splits.values():
        for count, total in zip(split.per_class, (13, 29, 61), strict=True):
            assert abs(count - total * split.records / 103) <= 1
    with pytest.raises(UsageError, match=r"the sizes make 104, there are only 103 images"):
        prepare(tmp_path / "source", tmp_path / "other", splits="validation:50,test:54")
    assert not (tmp_path / "other").exists()


def test_sizes_that_only_fitted_with_the_bad_files_are_refused(tmp_path):
    write_images(tmp_path / "source", {"a": 10, "b": 10})
    (tmp_path / "source/a/000.png").write_text("no image")
    with pytest.raises(UsageError, match="there are 19"):
        prepare(
            tmp_path / "source", tmp_path / "data", splits="train:10,test:10", max_bad_fraction=0.5
        )
    assert not (tmp_path / "data/card.json").exists()


def test_a_split_without_images_is_refused(source, tmp_path):
    with pytest.raises(UserError, match=r"'test' of .* would have no image"):
        prepare(source, tmp_path / "data", splits="train:0.99,test:0.01")


def test_every_image_is_in_one_fold_and_folds_are_stratified(tmp_path):
    write_images(tmp_path / "source", {"a": 11, "b": 23, "c": 39})
    card = prepare(tmp_path / "source", tmp_path / "data", splits="kfold:5")
    assert list(card.splits) == [f"fold_{number}" for number in range(5)]
    assert {split.records for split in card.splits.values()} == {14, 15}
    for split in card.splits.values():
        for count, total in zip(split.per_class, (11, 23, 39), strict=True):
            assert abs(count - total / 5) < 1
    found = images_in_order(tmp_path / "data")
    placed = Counter(name for rows in found.values() for name, _, _ in rows)
    assert len(placed) == 73 and set(placed.values()) == {1}
    # There is no training split: the statistics are those of all folds.
    pixels = np.concatenate([image.ravel() for rows in found.values() for _, _, image in rows])
    assert card.mean == [float(Fraction(int(pixels.sum(dtype=np.int64)), pixels.size))]


def test_predefined_splits_are_kept(tmp_path):
    for number, split in enumerate(("train", "test", "val")):
        write_images(tmp_path / "source" / split, {"dark": 10, "light": 10}, seed=number)
    card = prepare(tmp_path / "source", tmp_path / "data", splits="")
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 20,
        "validation": 20,
        "test": 20,
    }
    for example in tfds.builder_from_directory(str(tmp_path / "data")).as_dataset(split="test"):
        assert example["file_name"].numpy().startswith(b"test/")


def test_a_validation_split_can_be_cut_from_a_predefined_train(tmp_path):
    for number, split in enumerate(("train", "test")):
        write_images(tmp_path / "source" / split, {"dark": 10, "light": 10}, seed=number)
    splits = "train:0.8,validation:0.2"
    card = prepare(tmp_path / "source", tmp_path / "data", splits=splits)
    assert [split.per_class for split in card.splits.values()] == [[8, 8], [2, 2], [10, 10]]
    with pytest.raises(UsageError, match="'test'"):
        prepare(tmp_path / "source", tmp_path / "other")  # asks for a split test of its own
    assert not (tmp_path / "other").exists()


def test_a_group_is_in_one_split_also_where_duplicates_tie_it_to_another(tmp_path):
    write_images(tmp_path, {"a": 60, "b": 60})
    rows = [
        {"path": f"{label}/{n:03d}.png", "label": label, "group": f"patient{n // 3}"}
        for label in "ab"
        for n in range(60)
    ]
    for n in (0, 3, 6):  # the same picture of the next patient: a chain of four
        same = Image.open(tmp_path / f"a/{n:03d}.png")
        same.save(tmp_path / f"a/{n + 3:03d}.png", compress_level=1)
        same.save(tmp_path / f"a/{n + 5:03d}.png", compress_level=1)
    card = prepare(write_listing(tmp_path, rows), tmp_path / "data")
    found = {n: split for split, rows in names_in_order(tmp_path / "data").items() for n in rows}
    assert len(found) == 120
    splits: dict[str, set] = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(found[row["path"]])
    assert all(len(where) == 1 for where in splits.values())
    assert len({found[f"a/{n:03d}.png"] for n in range(12)}) == 1
    assert card.duplicates["leaks"] == 0
    for split, share in zip(card.splits.values(), (0.6, 0.4), strict=True):
        for count in split.per_class:
            assert abs(count - 60 * share) <= 3  # a patient's images


def test_another_seed_is_another_assignment_and_another_order(tmp_path):
    write_images(tmp_path / "source", {"a": 30, "b": 30})
    found: list[dict[str, list[str]]] = []
    for seed in (0, 0, 1):
        output = tmp_path / f"data{len(found)}"
        prepare(tmp_path / "source", output, seed=seed)
        found.append(names_in_order(output))
    assert found[0] == found[1]
    assert set(found[0]["train"]) != set(found[2]["train"])
    common = set(found[0]["train"]) & set(found[2]["train"])
    assert [n for n in found[0]["train"] if n in common] != [
        n for n in found[2]["train"] if n in common
    ]
    # Shuffled over all classes: neither sorted nor one class after the other.
    assert found[0]["train"] != sorted(found[0]["train"])
    labels = [name[0] for name in found[0]["train"]]
    assert 8 <= sum(a != b for a, b in itertools.pairwise(labels)) <= 28


def test_a_truncated_jpeg_fails_a_small_job(source, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = source / "dark" / "photo.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"dark/photo\.jpg \(truncated"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


def test_too_many_bad_files_fail_the_job_and_leave_no_card(source, tmp_path):
    (source / "dark" / "notes.png").write_text("no image")
    finished = run_program(
        "beam_pipelines.prepare", f"--source=folder:{source}", f"--output_dir={tmp_path / 'data'}"
    )
    assert_one_line_error(
        finished, 1, "1 of 31 files", "dark/notes.png", "not_an_image", "--max_bad_fraction"
    )
    assert "notes.png" in (tmp_path / "data/quarantine.jsonl").read_text()
    with pytest.raises(UserError, match="no finished dataset"):
        dataset_dir.read_card(str(tmp_path / "data"))


def test_the_largest_share_of_bad_files_that_is_allowed_is_allowed(tmp_path):
    write_images(tmp_path / "source", {"a": 10, "b": 10})
    (tmp_path / "source/a/000.png").write_bytes(b"")
    prepare(tmp_path / "source", tmp_path / "data", max_bad_fraction=0.05)
    (tmp_path / "source/a/001.png").write_bytes(b"")
    with pytest.raises(UserError, match="2 of 20 files"):
        prepare(tmp_path / "source", tmp_path / "other", max_bad_fraction=0.05)
    assert len(quarantine_reasons(tmp_path / "other")) == 2


def test_a_class_of_which_nothing_is_left_fails_the_job(source, tmp_path):
    (source / "notes").mkdir()
    (source / "notes" / "todo.txt").write_text("no image")
    with pytest.raises(UserError, match=r"class 'notes' of .* has no sound image"):
        prepare(source, tmp_path / "data", max_bad_fraction=1)
