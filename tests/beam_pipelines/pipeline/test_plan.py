"""The plan: which images come to which split and shard, in which order, and what ends a job."""

import dataclasses
import itertools
import pathlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.pipeline import plan
from beam_pipelines.pipeline.write import ShardTask
from beam_pipelines.rows import RejectedFile, ScannedImage, ShardRecord
from headrace import files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import (
    DEFAULTS,
    images_in_order,
    names_in_order,
    prepare,
    quarantine_reasons,
)
from tests.beam_pipelines.scanned_images import scanned_image
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


def scanned(folder: pathlib.Path, *tasks: list, lost: int = 0, **changes) -> plan.PlanJob:
    """The plan's job after a scan whose tasks found these rows; images of some tasks are lost."""
    (folder / "work").mkdir()
    for number, rows in enumerate(tasks):
        files.write_rows(f"{folder}/work/scan-{number:09d}.jsonl", rows)
    config = dataclasses.replace(DEFAULTS, output_dir=str(folder), **changes)
    images = sum(map(len, tasks)) + lost
    return plan.PlanJob(config, "photos", f"{folder}/work", ["0", "1"], frozenset(), images)


def run(job: plan.PlanJob) -> tuple[list[ShardTask], dict]:
    """Tasks of the plan and its summary, or none and why the job must end."""
    shards = plan.run(job)
    (summary,) = files.read_rows(f"{job.work}/{plan.SUMMARY if shards else plan.FAILED}")
    return shards, summary


def shard_rows(job: plan.PlanJob, tasks: list[ShardTask]) -> list[ShardRecord]:
    """The images that the plan lists for these shards, in order."""
    return [
        ShardRecord(*row)
        for task in tasks
        for row in files.read_rows(f"{job.work}/shard-{task.file}.jsonl")
    ]


def images(count: int, **changes) -> list[ScannedImage]:
    """Rows of images of both classes by turns."""
    return [dataclasses.replace(scanned_image(n, n % 2, n), **changes) for n in range(count)]


def bad_files(count: int) -> list[RejectedFile]:
    return [RejectedFile(f"bad-{n:03d}.png", "truncated", "it ends early") for n in range(count)]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=6, max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_the_plan_does_not_depend_on_who_scanned_which_image(tmp_path_factory, contents, chance):
    rows = [scanned_image(n, *content) for n, content in enumerate(contents)]
    rows += [scanned_image(900, 0, 900), scanned_image(901, 1, 901)]
    found = []
    for parts in (1, 4):
        folder = tmp_path_factory.mktemp("plan")
        job = scanned(folder, *(rows[n::parts] for n in range(parts)), splits="train:1")
        tasks, summary = run(job)
        found.append((tasks, summary, shard_rows(job, tasks)))
        chance.shuffle(rows)
    assert found[0] == found[1]


def test_shards_hold_the_images_in_seeded_order_cut_by_their_size(tmp_path):
    rows = images(60, length=2**20, rows=16, source_rows=16, weight=None)
    job = scanned(tmp_path, rows, splits="train:1", shard_mb=6)
    tasks, summary = run(job)
    assert [task.file for task in tasks] == [
        dataset_dir.shard_file("shades", "train", shard, 10) for shard in range(10)
    ]
    assert {(task.channels, task.weighted) for task in tasks} == {(1, False)}
    assert [len(shard_rows(job, [task])) for task in tasks] == [6] * 10
    by_rank = sorted(rows, key=lambda row: row.order_rank)
    assert shard_rows(job, tasks) == [
        ShardRecord(
            row.path, int(str(row.label)), None, row.file, 0, 2**20, row.digest, 16, 8, True
        )
        for row in by_rank
    ]
    assert summary["splits"]["train"]["per_class"] == [30, 30]


@pytest.mark.parametrize(("encoding", "shards"), [("keep", 1), ("raw", 3), ("float", 12)])
def test_bare_pixels_are_cut_by_what_they_take_whatever_the_files_take(tmp_path, encoding, shards):
    rows = images(12, length=10, rows=512, columns=512)
    tasks, _ = run(scanned(tmp_path, rows, splits="train:1", shard_mb=1, encoding=encoding))
    assert len(tasks) == shards


def test_a_task_that_a_runner_lost_ends_the_job_though_the_rest_is_sound(tmp_path):
    tasks, failure = run(scanned(tmp_path, images(20), bad_files(1), lost=3, max_bad_fraction=1))
    assert tasks == []
    assert "photos has 24 images, but 21 were scanned" in failure["message"]
    assert failure["usage"] is False


def test_what_flags_alone_can_mend_is_told_from_what_files_can(tmp_path):
    _, failure = run(scanned(tmp_path, images(20), splits="train:10,test:11"))
    assert failure["usage"] is True
    assert "the sizes make 21, there are 20" in failure["message"]


@pytest.mark.parametrize("bad", [7, 29, 57, 58])
def test_a_share_of_bad_files_is_met_to_the_file_whatever_its_decimals(tmp_path, bad):
    """0.29 * 100 is 28.999…"""
    job = scanned(tmp_path, images(100 - bad), bad_files(bad), max_bad_fraction=bad / 100)
    tasks, summary = run(job)
    assert tasks
    assert summary["quarantined"] == bad
    fewer = dataclasses.replace(job.config, max_bad_fraction=(bad - 1) / 100)
    tasks, failure = run(dataclasses.replace(job, config=fewer))
    assert not tasks
    assert failure["message"].startswith(f"{bad} of 100 files are no sound images, first photos/")


def test_the_fingerprint_of_a_source_is_that_of_its_paths_and_contents_alone(tmp_path):
    def fingerprint(name: str, rows: list[ScannedImage], **changes) -> str:
        (tmp_path / name).mkdir()
        return run(scanned(tmp_path / name, rows, **changes))[1]["source_fingerprint"]

    rows = images(12)
    same = fingerprint("one", rows)
    reseeded = [scanned_image(n, n % 2, n, seed=1) for n in range(12)]
    assert fingerprint("two", reseeded, splits="kfold:3") == same
    renamed = [dataclasses.replace(rows[0], path="other.png"), *rows[1:]]
    assert fingerprint("renamed", renamed) != same
    changed = [dataclasses.replace(rows[0], content_hash=f"{99:064x}"), *rows[1:]]
    assert fingerprint("changed", changed) != same
