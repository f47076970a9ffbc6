"""Images that are the same, or look the same: what each policy does, and what is reported."""

import dataclasses
import json
import pathlib
import random

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.planning import duplicates, image_table, label_sets
from headrace.errors import UserError
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import prepare
from tests.beam_pipelines.scanned_images import scanned_image
from tests.conftest import write_images


def put(path: pathlib.Path, image: Image.Image, kind: str = "PNG", **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(image, kind, **options))


def flat(level: int) -> Image.Image:
    return Image.new("L", (8, 8), level)


def lines(output: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (output / "duplicates.jsonl").read_text().splitlines()]


def where(output: pathlib.Path, card) -> dict[str, str]:
    """The split of every stored file."""
    builder = tfds.builder_from_directory(str(output))
    return {
        example["file_name"].numpy().decode(): split
        for split in card.splits
        for example in builder.as_dataset(split=split)
    }


def accounted_for(card) -> bool:
    source = card.source
    dropped = source["duplicates_dropped"] + source["near_duplicates_dropped"]
    records = sum(split.records for split in card.splits.values())
    return records + source["quarantined"] + dropped == source["images"]


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
    """40 pictures; of 10 dark ones a second and a third file, of 2 a light one: a contradiction."""
    folder = tmp_path / "source"
    write_images(folder, {"dark": 20, "light": 20})
    for number in range(10):
        image = Image.open(folder / "dark" / f"{number:03d}.png")
        put(folder / "dark" / f"{number:03d}-again.bmp", image, "BMP")
        put(folder / "dark" / f"{number:03d}-more.png", image, compress_level=0)
    for number in range(2):
        image = Image.open(folder / "dark" / f"{number:03d}.png")
        put(folder / "light" / f"x{number}.png", image, compress_level=1)
    return folder


def test_same_split_keeps_all_files_of_a_picture_together(source, tmp_path):
    card = prepare(source, tmp_path / "data", duplicates="same_split")
    found = where(tmp_path / "data", card)
    assert len(found) == 62
    for number in range(10):
        files = [f"dark/{number:03d}{rest}" for rest in (".png", "-again.bmp", "-more.png")]
        files += [f"light/x{number}.png"] if number < 2 else []
        assert len({found[file] for file in files}) == 1
    assert card.duplicates == {"groups": 10, "conflicts": 2, "leaks": 0, "near": 0}
    assert card.source["duplicates_dropped"] == 0
    assert accounted_for(card)


def test_drop_keeps_one_file_of_each_class_the_first_by_path(source, tmp_path):
    card = prepare(source, tmp_path / "data", duplicates="drop")
    found = where(tmp_path / "data", card)
    for number in range(10):
        kept = {file for file in found if file.startswith(f"dark/{number:03d}")}
        assert kept == {f"dark/{number:03d}-again.bmp"}
    assert len(found) == 42
    # What contradicts itself is for the user to settle: both labels stay, in one split.
    assert found["light/x0.png"] == found["dark/000-again.bmp"]
    assert card.duplicates == {"groups": 10, "conflicts": 2, "leaks": 0, "near": 0}
    assert card.source["duplicates_dropped"] == 20
    assert accounted_for(card)
    for line in lines(tmp_path / "data"):
        assert [image["dropped"] for image in line["images"][:3]] == [False, True, True]
        assert line["images"][1]["split"] is None


def test_allow_divides_files_as_if_they_were_others_and_counts_the_leaks(source, tmp_path):
    for number in range(40):  # more than fit in either split
        put(source / "light" / f"y{number:02d}.png", flat(3))
    card = prepare(source, tmp_path / "data", duplicates="allow")
    found = where(tmp_path / "data", card)
    assert len(found) == 102
    listed = lines(tmp_path / "data")
    leaks = [line for line in listed if len({image["split"] for image in line["images"]}) > 1]
    assert card.duplicates == {"groups": 11, "conflicts": 2, "leaks": len(leaks), "near": 0}
    assert any(line["images"][0]["path"] == "light/y00.png" for line in leaks)
    for line in listed:
        assert all(found[image["path"]] == image["split"] for image in line["images"])
    # Quotas are met to within one image per class.
    assert [split.per_class for split in card.splits.values()] == [[24, 37], [16, 25]]
    assert accounted_for(card)


def test_fail_names_two_files_and_leaves_no_card(source, tmp_path):
    with pytest.raises(UserError, match=r"10 pictures .* more than once, first (\S+) and") as error:
        prepare(source, tmp_path / "data", duplicates="fail")
    first, second = str(error.value).partition("first ")[2].partition(";")[0].split(" and ")
    given, again = (np.asarray(Image.open(source / path)) for path in (first, second))
    np.testing.assert_array_equal(given, again)
    assert not (tmp_path / "data/card.json").exists()
    write_images(tmp_path / "clean", {"dark": 6, "light": 6})
    card = prepare(tmp_path / "clean", tmp_path / "other", duplicates="fail")
    assert card.duplicates["groups"] == 0


@pytest.mark.parametrize("policy", ["same_split", "drop", "allow"])
def test_every_group_is_listed_contradictions_first(source, tmp_path, policy):
    prepare(source, tmp_path / "data", duplicates=policy)
    found = lines(tmp_path / "data")
    assert len(found) == 10
    for number, line in enumerate(found):
        paths = [image["path"] for image in line["images"]]
        assert paths == sorted(paths)
        contradiction = {image["class"] for image in line["images"]} == {"dark", "light"}
        assert contradiction == (number < 2)
        assert len(paths) == (4 if contradiction else 3)
        pixels = {np.asarray(Image.open(source / path)).tobytes() for path in paths}
        assert len(pixels) == 1
    assert {path for line in found for path in (i["path"] for i in line["images"])} == {
        *(f"dark/{n:03d}{rest}" for n in range(10) for rest in (".png", "-again.bmp", "-more.png")),
        "light/x0.png",
        "light/x1.png",
    }


def test_drop_leaves_a_published_test_split_whole(tmp_path):
    folder = tmp_path / "source"
    for split, seed in (("train", 0), ("validation", 1), ("test", 2)):
        write_images(folder / split, {"dark": 10, "light": 10}, seed=seed)
    for split in ("train", "validation"):
        for number in range(4):
            image = Image.open(folder / "test/dark" / f"{number:03d}.png")
            put(folder / split / "dark" / f"a{number}.png", image)  # before all others by path
    put(folder / "train/dark/leak.png", Image.open(folder / "validation/dark/007.png"))
    card = prepare(folder, tmp_path / "data", splits="", duplicates="drop")
    assert {name: split.per_class for name, split in card.splits.items()} == {
        "train": [10, 10],
        "validation": [10, 10],
        "test": [10, 10],
    }
    found = where(tmp_path / "data", card)
    assert "test/dark/000.png" in found and "validation/dark/007.png" in found
    assert card.source["duplicates_dropped"] == 9
    assert card.duplicates["leaks"] == 0
    assert accounted_for(card)
    kept = prepare(folder, tmp_path / "kept", splits="", duplicates="same_split")
    assert kept.duplicates == {"groups": 5, "conflicts": 0, "leaks": 5, "near": 0}
    assert [split.records for split in kept.splits.values()] == [25, 24, 20]


bits = st.integers(0, 16)


@st.composite
def pictures(draw) -> list[tuple[int, int, int]]:
    """Hash, split and content of images; many hashes near to one another."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    centres = [chance.getrandbits(64) for _ in range(draw(st.integers(1, 4)))]
    found: list[tuple[int, int, int]] = []
    for number in range(draw(st.integers(2, 40))):
        looks = chance.choice(centres)
        for place in chance.sample(range(64), chance.randint(0, 12)):
            looks ^= 1 << place
        content = chance.randint(0, number) if chance.random() < 0.2 else number
        looks, content = next(((a, c) for a, _, c in found if c == content), (looks, content))
        found.append((looks, chance.randrange(3), content))
    return found


def signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


@given(pictures(), bits, st.permutations(range(3)), st.integers(1, 7), st.integers(1, 9))
@settings(max_examples=120)
def test_the_nearest_of_an_earlier_split_is_found_as_by_comparing_all(
    tmp_path_factory, monkeypatch, images, limit, order, block, pairs
):
    monkeypatch.setattr(duplicates, "_BLOCK", block)
    monkeypatch.setattr(duplicates, "_PAIRS", pairs)
    rows = [
        dataclasses.replace(scanned_image(number, 0, content), perceptual_hash=signed(looks))
        for number, (looks, _, content) in enumerate(images)
    ]
    file = tmp_path_factory.mktemp("near") / "images"
    with image_table.build(rows, label_sets.single(["0"]), str(file)) as db:
        for number, (_, split, _) in enumerate(images):
            db.execute("UPDATE images SET split = ? WHERE path = ?", (split, f"{number:04d}.png"))
        duplicates.find_near_duplicates(db, limit, order)
        found = {row[0]: row[1:] for row in db.execute("SELECT * FROM near_duplicates")}
        listed = list(duplicates.near_duplicate_pairs(db))
        table = db.execute("SELECT id, perceptual_hash, split, content_hash FROM images").fetchall()
    expected = {}
    for later, looks, split, key in table:
        candidates = [
            (((looks ^ other_looks) & (2**64 - 1)).bit_count(), other)
            for other, other_looks, other_split, other_key in table
            if order.index(other_split) < order.index(split) and other_key != key
        ]
        distance, other = min(candidates, default=(65, 0))
        if distance <= limit:
            expected[later] = (other, distance)
    assert found == expected
    assert [pair["distance"] for pair in listed] == sorted(far for _, far in expected.values())
    for pair in listed:
        assert pair["images"][0]["split"] != pair["images"][1]["split"]


@pytest.fixture
def look_alikes(tmp_path) -> pathlib.Path:
    """Photos in predefined splits; of 5 there is a JPEG in train, of 3 two in test."""
    folder = tmp_path / "source"
    for number in range(36):
        split = ("train", "train", "validation", "test")[number % 4]
        image = photo(number, size=(64, 48))
        put(folder / split / ("a", "b")[number % 8 // 4] / f"{number:02d}.png", image)
    for number in (2, 6, 10, 3, 7):  # three of validation, two of test
        put(folder / f"train/a/{number:02d}.jpg", photo(number, size=(64, 48)), "JPEG", quality=60)
    for number in (11, 15, 19):  # twice in one split: that harms nobody
        put(folder / f"test/b/{number:02d}.jpg", photo(number, size=(64, 48)), "JPEG", quality=60)
    return folder


def test_look_alikes_of_other_splits_are_listed_and_none_within_a_split(look_alikes, tmp_path):
    card = prepare(look_alikes, tmp_path / "data", splits="", near_duplicates=6)
    assert card.duplicates == {"groups": 0, "conflicts": 0, "leaks": 0, "near": 5}
    assert [split.records for split in card.splits.values()] == [23, 9, 12]
    pairs = lines(tmp_path / "data")
    assert len(pairs) == 5
    for pair in pairs:
        later, earlier = pair["images"]
        assert pair["distance"] <= 6
        assert later["split"] in ("validation", "test")
        assert earlier["split"] == "train"
        assert later["path"].split("/")[-1][:2] == earlier["path"].split("/")[-1][:2]
        assert not later["dropped"] and not earlier["dropped"]
    without = prepare(look_alikes, tmp_path / "without", splits="")
    assert without.duplicates["near"] == 0
    assert without.fingerprint == card.fingerprint


def test_look_alikes_are_dropped_from_validation_and_test_only(look_alikes, tmp_path):
    card = prepare(
        look_alikes,
        tmp_path / "data",
        splits="",
        near_duplicates=6,
        near_duplicates_action="drop_from_eval",
    )
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 23,
        "validation": 6,
        "test": 10,
    }
    assert card.source["near_duplicates_dropped"] == 5
    assert accounted_for(card)
    found = where(tmp_path / "data", card)
    for pair in lines(tmp_path / "data"):
        later, earlier = pair["images"]
        assert (later["dropped"], earlier["dropped"]) == (True, False)
        assert later["path"] not in found
        assert found[earlier["path"]] == "train"


def test_a_look_alike_is_found_beside_the_same_picture(look_alikes, tmp_path):
    """A test image whose very pixels are in train, as is a JPEG of it."""
    put(look_alikes / "train/a/same.png", photo(3, size=(64, 48)))
    card = prepare(look_alikes, tmp_path / "data", splits="", near_duplicates=6)
    assert (card.duplicates["leaks"], card.duplicates["near"]) == (1, 5)
