"""`folder:` finds classes, predefined splits and every image below them, and refuses the rest."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import sources
from beam_pipelines.pipeline.listing import list_source
from headrace.errors import UserError
from tests.beam_pipelines.jobs import list_images, prepare, stored_records
from tests.conftest import assert_one_line_error, run_program, write_images

SPLIT_NAMES = {"val": "validation", "valid": "validation", "VAL": "validation", "Train": "train"}


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    return f"folder:{folder}"


def test_images_of_nested_folders_belong_to_the_class_at_the_top(tmp_path):
    source = tmp_path / "source"
    write_images(source, {"cat": 3, "dog": 3})
    write_images(source / "cat" / "2019" / "june", {"dog": 3}, seed=1)
    card = prepare(source, tmp_path / "data", splits="train:1")
    assert card.classes == ["cat", "dog"]
    found = stored_records(tmp_path / "data")
    assert len(found) == 9
    nested = [row for path, row in found.items() if path.startswith("cat/2019/june/dog/")]
    assert {row["label"] for row in nested} == {"cat"}


@pytest.mark.parametrize(
    "folders",
    [("train", "test"), ("train", "validation", "test"), ("train", "val"), ("Train", "VAL")],
)
def test_folders_of_predefined_splits_are_kept_whatever_validation_is_called(tmp_path, folders):
    for number, name in enumerate(folders):
        write_images(tmp_path / "source" / name, {"cat": 2, "dog": 2}, seed=number)
    prepare(tmp_path / "source", tmp_path / "data", splits="")
    found = stored_records(tmp_path / "data")
    assert len(found) == 4 * len(folders)
    for path, row in found.items():
        split, label, _ = path.split("/")
        assert (row["split"], row["label"]) == (SPLIT_NAMES.get(split, split), label)


def test_a_validation_split_is_cut_from_train_alone(tmp_path):
    for number, name in enumerate(("train", "test")):
        write_images(tmp_path / "source" / name, {"cat": 10, "dog": 10}, seed=number)
    card = prepare(tmp_path / "source", tmp_path / "data", splits="train:0.7,validation:0.3")
    assert {name: split.per_class for name, split in card.splits.items()} == {
        "train": [7, 7],
        "validation": [3, 3],
        "test": [10, 10],
    }
    for path, row in stored_records(tmp_path / "data").items():
        assert (row["split"] == "test") == path.startswith("test/")


def test_one_class_may_be_called_train(tmp_path):
    spec = touch(tmp_path, "train/1.png", "bus/1.png")
    assert [(row.label, row.source_split) for row in list_images(spec)] == [
        ("bus", None),
        ("train", None),
    ]


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["test/cat/1", "val/cat/1"], "test/ and val/; expected train/"),
        (["train/cat/1", "val/cat/1", "validation/cat/1"], "train/ and val/ and validation/"),
        (["train/cat/1", "test/cat/1", "extra/1"], "extra/ beside the splits test/ and train/"),
        (["train/1", "test/cat/1"], "train has no class folders"),
        (["train/cat/1", "train/dog/1", "test/cat/1"], "'dog' is in only one of train and test"),
    ],
)
def test_splits_that_are_not_whole_are_refused_not_made_classes(tmp_path, paths, words):
    with pytest.raises(UserError, match=words):
        sources.read(touch(tmp_path, *paths), "")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"photos\.zip is no folder"):
        sources.read(f"folder:{tmp_path}/photos.zip", "")


@pytest.mark.parametrize("name", [b"cat/\xff.png", b"\xff/1.png"])
def test_a_name_that_is_no_utf8_ends_in_one_line(tmp_path, name):
    write_images(tmp_path / "source", {"cat": 2, "dog": 2})
    path = os.path.join(os.fsencode(tmp_path / "source"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"x")
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{tmp_path / 'source'}",
        f"--output_dir={tmp_path / 'data'}",
    )
    assert_one_line_error(finished, 1, r"\xff", "no UTF-8", "rename")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["cat ", " cat", "cat\nmouse", "cat\u2028"])
def test_a_class_that_no_line_of_text_holds_is_refused(tmp_path, name):
    write_images(tmp_path / "source", {name: 2, "dog": 2})
    with pytest.raises(UserError, match="rename it"):
        prepare(tmp_path / "source", tmp_path / "data")


def test_another_number_of_classes_than_was_said_is_refused(tmp_path):
    write_images(tmp_path / "source", {"cat": 2, "dog": 2})
    with pytest.raises(UserError, match=r"has 2 classes \('cat', 'dog'\), `num_classes` says 3"):
        prepare(tmp_path / "source", tmp_path / "data", num_classes=3)
    assert prepare(tmp_path / "source", tmp_path / "data", num_classes=2).classes == ["cat", "dog"]


plain_name = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
).filter(lambda name: not name.startswith(".") and name.lower() not in ("thumbs.db", "desktop.ini"))


@given(st.sets(plain_name, min_size=1, max_size=4), st.sets(plain_name, min_size=1, max_size=4))
@settings(max_examples=40)
def test_whatever_folders_and_files_are_called_each_is_listed_once(
    tmp_path_factory, folders, names
):
    root = tmp_path_factory.mktemp("odd")
    touch(root, *(f"cat/{folder}/{name}" for folder in folders for name in names), "dog/1")
    with list_source(sources.read(f"folder:{root}", "")) as listing:
        assert listing.num_images == len(folders) * len(names) + 1
    paths = [row.path for row in list_images(f"folder:{root}")]
    assert sorted(paths) == sorted({*(f"cat/{f}/{n}" for f in folders for n in names), "dog/1"})
    assert all((root / path).is_file() for path in paths)


def make_missing(folder):
    return folder / "nowhere"


def make_empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def make_class_without_image(folder):
    write_images(folder / "gap", {"dark": 3, "light": 3})
    (folder / "gap" / "void").mkdir()
    return folder / "gap"


def make_one_class(folder):
    write_images(folder / "one", {"dark": 3})
    return folder / "one"


def make_files_beside_classes(folder):
    write_images(folder / "mixed", {"dark": 3, "light": 3})
    (folder / "mixed" / "a.png").write_bytes(b"")
    return folder / "mixed"


def make_unequal_splits(folder):
    write_images(folder / "unequal" / "train", {"dark": 3, "light": 3})
    write_images(folder / "unequal" / "test", {"dark": 3, "bright": 3})
    return folder / "unequal"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_missing, "nowhere is no folder"),
        (make_empty, "has no class folders"),
        (make_class_without_image, "void has no image"),
        (make_one_class, "one class only"),
        (make_files_beside_classes, r"beside its class folders \(a.png\)"),
        (make_unequal_splits, "'bright' is in only one of train and test"),
    ],
)
def test_a_source_that_is_no_dataset_is_refused(tmp_path, make, words):
    with pytest.raises(UserError, match=words):
        prepare(make(tmp_path), tmp_path / "data")
    assert not (tmp_path / "data").exists()
