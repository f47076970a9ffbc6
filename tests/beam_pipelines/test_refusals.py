"""Sources and flags that are refused, before anything is written."""

import pytest

from headrace.errors import UserError
from tests.beam_pipelines.jobs import prepare
from tests.conftest import assert_one_line_error, run_program, write_images


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


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--splits=train:0.5,test:0.4"], ["--splits", "sum to 0.9"]),
        (["--name=Cats-And-Dogs"], ["--name=Cats-And-Dogs"]),
        (["--encoding=gif"], ["--encoding=gif", "keep|jpeg"]),
        (["--splitz=train:1"], ["--splitz", "neither Headrace's nor Beam's"]),
        (["--source=zip:x"], ["--source=zip:x", "KIND:PATH"]),
        (["--max_bad_fraction=2"], ["--max_bad_fraction"]),
        (["--max_bad_fraction=nan"], ["--max_bad_fraction=nan", "a finite number"]),
        ([f"--name={'a' * 101}"], ["--name=aaa", "100"]),
        (["--source=folder:caf\udce9"], ["--source=folder:caf", "no UTF-8"]),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(source, tmp_path, flags, words):
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{source}",
        f"--output_dir={tmp_path / 'data'}",
        *flags,
    )
    assert_one_line_error(finished, 2, *words)
    assert not (tmp_path / "data").exists()


def test_a_required_flag_is_named(tmp_path):
    finished = run_program("beam_pipelines.prepare", f"--output_dir={tmp_path}")
    assert_one_line_error(finished, 2, "--source is required")
