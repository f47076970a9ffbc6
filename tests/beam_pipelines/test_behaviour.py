"""Splits, groups, quarantine, encodings and statistics, through the whole job."""

import csv
import itertools
import json
import math
import os
import pathlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.resizing import Resize
from headrace import UsageError, UserError
from input import dataset_dir, records
from tests.beam_pipelines.damage import photo, saved
from tests.beam_pipelines.jobs import prepare
from tests.conftest import write_images

FRAMES = [photo(seed, size=(24, 16)) for seed in range(3)]


def stored(output: pathlib.Path, card) -> dict[str, list[tuple[str, int, np.ndarray]]]:
    """File name, label and pixels of every record, per split, in order."""
    found = {}
    for split in card.splits:
        paths = dataset_dir.shard_paths(str(output), card, split)
        found[split] = []
        for record in tf.data.TFRecordDataset(paths):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            image, label = records.parse(record, card)
            assert image.shape == tuple(feature["shape"].int64_list.value)
            name = feature["file_name"].bytes_list.value[0].decode()
            found[split].append((name, int(label), image.numpy()))
    return found


def names(output: pathlib.Path, card) -> dict[str, list[str]]:
    return {split: [row[0] for row in rows] for split, rows in stored(output, card).items()}


def quarantine(output: pathlib.Path) -> dict[str, str]:
    rows = map(json.loads, (output / "quarantine.jsonl").read_text().splitlines())
    return {row["path"]: row["reason"] for row in rows}


def write_listing(folder: pathlib.Path, rows: list[dict]) -> str:
    with open(folder / "listing.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"listing:{folder / 'listing.csv'}"


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


def test_every_image_is_in_one_fold_and_folds_are_stratified(tmp_path):
    write_images(tmp_path / "source", {"a": 11, "b": 23, "c": 39})
    card = prepare(tmp_path / "source", tmp_path / "data", splits="kfold:5")
    assert list(card.splits) == [f"fold_{number}" for number in range(5)]
    assert {split.records for split in card.splits.values()} == {14, 15}
    for split in card.splits.values():
        for count, total in zip(split.per_class, (11, 23, 39), strict=True):
            assert abs(count - total / 5) < 1
    found = stored(tmp_path / "data", card)
    placed = Counter(name for rows in found.values() for name, _, _ in rows)
    assert len(placed) == 73 and set(placed.values()) == {1}
    # There is no training split: the statistics are those of all folds.
    pixels = np.concatenate([image.ravel() for rows in found.values() for _, _, image in rows])
    assert card.mean == [float(Fraction(int(pixels.sum(dtype=np.int64)), pixels.size))]


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
    found = {n: split for split, rows in names(tmp_path / "data", card).items() for n in rows}
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


def test_colour_profiles_are_counted_and_not_applied(tmp_path):
    write_images(tmp_path / "source", {"a": 6, "b": 6})
    for n in range(4):
        image = Image.open(tmp_path / f"source/a/{n:03d}.png")
        image.save(tmp_path / f"source/a/{n:03d}.png", icc_profile=b"profile" * 40)
    plain = prepare(tmp_path / "source", tmp_path / "data", encoding="png")
    assert plain.source["with_profile"] == 4
    for rows in stored(tmp_path / "data", plain).values():
        for name, _, image in rows:
            given = np.asarray(Image.open(tmp_path / "source" / name))
            np.testing.assert_array_equal(image[..., 0], given)


BAD = {
    "empty.png": (b"", "empty"),
    "notes.txt": (b"these are notes", "not_an_image"),
    "page.jpg": (b"<html><body>404 Not Found</body></html>", "not_an_image"),
    "drawing.eps": (saved(FRAMES[0], "EPS"), "not_an_image"),
    "cut.jpg": (saved(FRAMES[0], "JPEG")[:-300], "truncated"),
    "cut.png": (saved(FRAMES[0], "PNG")[:-300], "truncated"),
    "head.jpg": (saved(FRAMES[0], "JPEG")[:100], "truncated"),
    "large.png": (saved(Image.new("L", (101, 100)), "PNG"), "too_large"),
    "large.gif": (saved(Image.new("L", (20_000, 20_000)), "GIF"), "too_large"),
    "film.gif": (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "animated"),
    "film.webp": (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "animated"),
    "film.png": (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "animated"),
    "pages.tiff": (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "animated"),
    "levels.tiff": (saved(Image.new("F", (8, 8)), "TIFF"), "undecodable"),
}


def test_every_bad_file_is_set_aside_for_its_own_reason(tmp_path):
    write_images(tmp_path / "source", {"a": 6, "b": 6})
    for name, (data, _) in BAD.items():
        (tmp_path / "source/a" / name).write_bytes(data)
    (tmp_path / "source/b/nowhere.png").symlink_to(tmp_path / "gone.png")
    card = prepare(tmp_path / "source", tmp_path / "data", max_bad_fraction=1, max_pixels=10_000)
    expected = {f"a/{name}": reason for name, (_, reason) in BAD.items()}
    assert quarantine(tmp_path / "data") == {**expected, "b/nowhere.png": "unreadable"}
    lines = (tmp_path / "data/quarantine.jsonl").read_text().splitlines()
    assert lines == sorted(lines)
    assert all(json.loads(line)["detail"] for line in lines)
    assert card.source["images"] == 12 + len(BAD) + 1
    assert card.source["quarantined"] == len(BAD) + 1
    assert sum(split.records for split in card.splits.values()) == 12


def test_the_largest_share_of_bad_files_that_is_allowed_is_allowed(tmp_path):
    write_images(tmp_path / "source", {"a": 10, "b": 10})
    (tmp_path / "source/a/000.png").write_bytes(b"")
    prepare(tmp_path / "source", tmp_path / "data", max_bad_fraction=0.05)
    (tmp_path / "source/a/001.png").write_bytes(b"")
    with pytest.raises(UserError, match="2 of 20 files"):
        prepare(tmp_path / "source", tmp_path / "other", max_bad_fraction=0.05)
    assert len(quarantine(tmp_path / "other")) == 2


def test_of_animations_the_first_frame_is_stored_on_request(tmp_path):
    write_images(tmp_path / "source", {"a": 4, "b": 4}, size=(16, 24))
    films = [name for name, (_, reason) in BAD.items() if reason == "animated"]
    for name in films:
        (tmp_path / "source/a" / name).write_bytes(BAD[name][0])
    card = prepare(tmp_path / "source", tmp_path / "data", first_frame=True)
    assert card.source["quarantined"] == 0
    shown = {n: image for rows in stored(tmp_path / "data", card).values() for n, _, image in rows}
    for name in films:
        error = np.abs(shown[f"a/{name}"].astype(int) - np.asarray(FRAMES[0]))
        assert error.mean() < 16, name
        assert np.abs(error.mean() - np.abs(np.asarray(FRAMES[1], int) - FRAMES[0]).mean()) > 5


@pytest.mark.parametrize("encoding", ["jpeg", "keep"])
def test_quality_is_that_of_every_jpeg_that_is_written(tmp_path, encoding):
    for number in range(8):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(saved(photo(number, size=(80, 60)), "JPEG", quality=98))
    sizes, errors = [], []
    for quality in (100, 95, 40, 5):
        output = tmp_path / f"{quality}"
        card = prepare(
            tmp_path / "source",
            output,
            encoding=encoding,
            quality=quality,
            resize=Resize(max_side=40),
        )
        sizes.append(sum(shard.bytes for s in card.splits.values() for shard in s.shards))
        rows = [row for rows in stored(output, card).values() for row in rows]
        errors.append(
            np.mean(
                [
                    np.abs(
                        image.astype(int)
                        - Image.open(tmp_path / "source" / name).resize(
                            (40, 30), Image.Resampling.BOX
                        )
                    ).mean()
                    for name, _, image in rows
                ]
            )
        )
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    assert errors == sorted(errors)
    assert errors[0] < 5 < errors[-1]


def test_keep_writes_only_what_must_be_written(tmp_path):
    kinds = {
        "photo.jpg": saved(FRAMES[0], "JPEG"),
        "grey.jpg": saved(FRAMES[1].convert("L"), "JPEG"),
        "plain.png": saved(FRAMES[2], "PNG"),
        "print.jpg": saved(FRAMES[0].convert("CMYK"), "JPEG"),
        "photo.webp": saved(FRAMES[1], "WEBP"),
        "photo.bmp": saved(FRAMES[1], "BMP"),
        "palette.png": saved(FRAMES[2].quantize(16), "PNG"),
    }
    for name, data in kinds.items():
        for label in "ab":
            path = tmp_path / "source" / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    card = prepare(tmp_path / "source", tmp_path / "data", duplicates="allow")
    kept = set()
    for split in card.splits:
        for record in tf.data.TFRecordDataset(
            dataset_dir.shard_paths(str(tmp_path / "data"), card, split)
        ):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            name = feature["file_name"].bytes_list.value[0].decode()[2:]
            image = feature["image"].bytes_list.value[0]
            lossy = name in ("print.jpg", "photo.webp")
            assert image[:3] == (b"\xff\xd8\xff" if lossy or name.endswith("jpg") else b"\x89PN")
            if image == kinds[name]:
                kept.add(name)
    assert kept == {"photo.jpg", "grey.jpg", "plain.png"}


@pytest.mark.parametrize("encoding", ["keep", "png", "raw"])
@pytest.mark.parametrize("resize", [Resize(), Resize(size=(11, 13))], ids=["as it is", "resized"])
def test_statistics_are_those_of_the_stored_training_pixels_digit_for_digit(
    tmp_path, encoding, resize
):
    for number in range(12):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = photo(number, size=(20 + number, 30 - number))
        if number % 3 == 0:
            image = image.convert("L")
        lossless = encoding == "keep" and resize.size  # else the pixels are changed once more
        path.write_bytes(saved(image, "PNG" if lossless or number % 4 == 1 else "JPEG"))
    card = prepare(tmp_path / "source", tmp_path / "data", encoding=encoding, resize=resize)
    train = [image for _, _, image in stored(tmp_path / "data", card)["train"]]
    pixels = np.concatenate([image.reshape(-1, 3) for image in train]).astype(object)
    count = len(pixels)
    for channel in range(3):
        total = sum(int(value) for value in pixels[:, channel])
        squares = sum(int(value) ** 2 for value in pixels[:, channel])
        assert card.mean[channel] == float(Fraction(total, count))
        variance = Fraction(squares, count) - Fraction(total, count) ** 2
        # The root of the variance to 40 digits, and then the nearest float.
        root = Fraction(math.isqrt(int(variance * 10**80)), 10**40)
        assert card.std[channel] == pytest.approx(float(root), rel=4e-16, abs=0)


def test_another_seed_is_another_assignment_and_another_order(tmp_path):
    write_images(tmp_path / "source", {"a": 30, "b": 30})
    found = []
    for seed in (0, 0, 1):
        output = tmp_path / f"data{len(found)}"
        found.append(names(output, prepare(tmp_path / "source", output, seed=seed)))
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


@st.composite
def sources(draw) -> list[tuple[int, str, str]]:
    """Content (negative: no sound image), label and group of every file."""
    return draw(
        st.lists(
            st.tuples(
                st.integers(-2, 14), st.sampled_from("abc"), st.sampled_from(["", "", "g", "h"])
            ),
            min_size=12,
            max_size=40,
        )
    )


@given(
    sources(),
    st.sampled_from(["same_split", "drop", "allow"]),
    st.sampled_from(["train:0.5,test:0.5", "kfold:3", "auto", "test:2"]),
    st.sampled_from([None, 0, 8]),
    st.booleans(),
)
@settings(max_examples=15)
def test_whatever_the_source_every_image_is_accounted_for(
    tmp_path_factory, images, policy, splits, near, drop
):
    folder = tmp_path_factory.mktemp("source")
    for number, (content, _, _) in enumerate(images):
        data = saved(photo(content, size=(10, 8)), "PNG") if content >= 0 else b"\x89PNG" * -content
        (folder / f"{number:02d}").write_bytes(data)
    rows = [
        {"path": f"{number:02d}", "label": label, "group": group}
        for number, (_, label, group) in enumerate(images)
    ]
    drop = drop and near is not None and not splits.startswith("kfold")
    try:
        card = prepare(
            write_listing(folder, rows),
            folder / "data",
            splits=splits,
            duplicates=policy,
            near_duplicates=near,
            near_duplicates_action="drop_from_eval" if drop else "list",
            max_bad_fraction=1,
        )
    except UserError as error:
        # The few things that a small source may rightly be refused for.
        assert any(
            words in str(error)
            for words in ("would have no image", "no sound image", "one class only", "the sizes")
        )
        assert not os.path.exists(folder / "data/card.json")
        return
    found = {name: split for split, rows in names(folder / "data", card).items() for name in rows}
    source = card.source
    bad = {f"{n:02d}" for n, (content, _, _) in enumerate(images) if content < 0}
    assert set(quarantine(folder / "data")) == bad
    assert len(found) == sum(split.records for split in card.splits.values())
    dropped = source["duplicates_dropped"] + source["near_duplicates_dropped"]
    assert len(found) + len(bad) + dropped == source["images"] == len(images)
    distinct = {(content, label) for content, label, _ in images if content >= 0}
    if policy == "drop":
        assert source["duplicates_dropped"] == len(images) - len(bad) - len(distinct)
    elif not drop:
        assert dropped == 0
    if policy != "allow":
        for kind in (0, 2):  # a picture, or a group, is in one split
            together: dict[object, set] = {}
            for number, image in enumerate(images):
                if image[kind] != "" and f"{number:02d}" in found:
                    together.setdefault(image[kind], set()).add(found[f"{number:02d}"])
            assert all(len(where) == 1 for where in together.values())
