"""Samples of the report: the first training images, and groups, as many as a page has room for."""

import contextlib
import dataclasses
import re

import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.planning import duplicates, image_table, label_sets
from beam_pipelines.report import samples
from beam_pipelines.rows import ScannedImage
from tests.beam_pipelines.jobs import prepare
from tests.beam_pipelines.scanned_images import scanned_image


def test_the_report_shows_training_images_whichever_split_comes_first(source, tmp_path):
    prepare(source, tmp_path / "data", splits="test:0.4,train:0.6")
    shown = set(re.findall(r'alt="([^"]+)"', (tmp_path / "data/report.html").read_text()))
    training = tfds.builder_from_directory(str(tmp_path / "data")).as_dataset(split="train")
    assert shown
    assert shown <= {example["file_name"].numpy().decode() for example in training}


@contextlib.contextmanager
def planned(folder, images: list[ScannedImage], splits: list[int], policy="allow"):
    """The image table of a plan that gave each image this split."""
    classes = 1 + max(int(str(image.label)) for image in images)
    labels = label_sets.single([str(each) for each in range(classes)])
    with image_table.build(images, labels, str(folder / "images")) as db:
        duplicates.resolve(db, policy, "photos")
        pairs = ((split, image.path) for split, image in zip(splits, images, strict=True))
        db.executemany("UPDATE images SET split = ? WHERE path = ?", pairs)
        yield db


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=60),
    st.sampled_from([["train", "test"], ["test", "train"], ["fold_0", "fold_1"]]),
)
@settings(max_examples=30)
def test_each_class_shows_its_first_ten_of_the_training_split(tmp_path_factory, images, names):
    rows = [scanned_image(n, label, n) for n, (label, _) in enumerate(images)]
    splits = [split for _, split in images]
    with planned(tmp_path_factory.mktemp("samples"), rows, splits) as db:
        shown = samples.class_samples(db, names, 3)
    training = names.index("train") if "train" in names else 0
    expected = [
        row
        for label in range(3)
        for row in sorted(
            (row for row, place in zip(rows, images, strict=True) if place == (label, training)),
            key=lambda row: row.order_rank,
        )[:10]
    ]
    assert shown == [
        {
            "class": int(str(row.label)),
            "path": row.path,
            "file": row.file,
            "offset": 0,
            "length": 100,
        }
        for row in expected
    ]


def test_many_classes_share_the_room_of_a_page(tmp_path):
    """With 400 classes it is 2 of each, and with 1,500 one of each of the first thousand."""
    for classes, expected in ((400, 800), (1500, 1000)):
        rows = [scanned_image(n, n % classes, n) for n in range(2 * classes + 9)]
        (tmp_path / f"{classes}").mkdir()
        with planned(tmp_path / f"{classes}", rows, [0] * len(rows)) as db:
            shown = samples.class_samples(db, ["train"], classes)
        assert len(shown) == expected
        assert {sample["class"] for sample in shown} == set(range(min(classes, samples.MAX_ROWS)))


def test_what_was_dropped_is_no_sample(tmp_path):
    rows = [scanned_image(n, 0, n // 2) for n in range(8)]
    with planned(tmp_path, rows, [0] * 8, policy="drop") as db:
        shown = {sample["path"] for sample in samples.class_samples(db, ["train"], 1)}
    assert shown == {f"{n:04d}.png" for n in (0, 2, 4, 6)}


def test_of_duplicates_the_first_groups_are_shown_and_of_a_group_its_first_images(tmp_path):
    rows = [scanned_image(n, 0, n // 2) for n in range(200)]
    rows += [scanned_image(1000 + n, 0, 999) for n in range(30)]
    with planned(tmp_path, rows, [0] * len(rows)) as db:
        groups = samples.duplicate_samples(db)
        assert len(list(duplicates.groups(db))) == 101
    assert len(groups) == 60
    assert groups[0]["size"] == 30
    assert [image["path"] for image in groups[0]["images"]] == [
        f"{1000 + n:04d}.png" for n in range(12)
    ]
    assert {group["size"] for group in groups[1:]} == {2}


def test_an_image_of_a_group_comes_with_the_place_of_its_bytes(tmp_path):
    rows = [
        dataclasses.replace(scanned_image(n, n, 5), file="spill", offset=100 * n) for n in range(2)
    ]
    with planned(tmp_path, rows, [0, 1]) as db:
        db.execute("INSERT INTO near_duplicates VALUES (2, 1, 3)")
        same, near = samples.duplicate_samples(db)
    assert same["pixels"] == rows[0].content_hash
    assert near["distance"] == 3
    for group in (same, near):
        assert group["size"] == 2
        for image in group["images"]:
            assert (image["file"], image["length"]) == ("spill", 100)
            assert image["offset"] == 100 * int(image["path"][:4])
            assert image["split"] == int(image["path"][:4])


def test_a_group_knows_how_many_classes_it_has_also_where_they_are_not_shown(tmp_path):
    rows = [scanned_image(n, 0, 7) for n in range(12)] + [scanned_image(99, 1, 7)]
    with planned(tmp_path, rows, [0] * 13) as db:
        (group,) = samples.duplicate_samples(db)
    assert {image["label"] for image in group["images"]} == {0}
    assert (group["size"], group["labels"]) == (13, 2)
