"""Configuration of `prepare`: what is filled in, and what is refused before anything is written."""

import dataclasses
import os
import re

import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines import config as job_config
from beam_pipelines import sources
from beam_pipelines.config import Config
from beam_pipelines.images.resize import Resize
from headrace import config_flags
from headrace.errors import UsageError
from input.dataset import dataset_dir
from tests.conftest import assert_one_line_error, run_program, write_images

GIVEN = Config(source="folder:photos", output_dir="data", name="pets")


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


@pytest.mark.parametrize(
    ("folder", "name"),
    [("照片", "images"), ("2024 Ürlaub", "images_2024_rlaub"), ("a" * 200, "a" * 100)],
)
def test_a_folder_of_any_name_gives_the_dataset_one(tmp_path, folder, name):
    write_images(tmp_path / folder, {"dark": 12, "light": 18})
    finished = run_program(
        "beam_pipelines.prepare",
        *(f"--source=folder:{tmp_path / folder}", f"--output_dir={tmp_path / 'data'}"),
    )
    assert finished.returncode == 0, finished.stderr
    assert dataset_dir.read_card(str(tmp_path / "data")).name == name


def parsed(*arguments: str) -> Config:
    """The config of these flags."""
    values = flags.FlagValues()
    config_flags.define(Config, flag_values=values)
    values(["prepare", *arguments])
    return config_flags.parse(Config, flag_values=values)


def refusal(**changes) -> str:
    """What is said of a config that makes no sense; empty if it does."""
    try:
        job_config.check(dataclasses.replace(GIVEN, **changes))
    except UsageError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted(sources.KINDS)), st.text(st.characters(codec="utf-8"), max_size=150))
def test_a_source_of_any_name_gives_a_name_that_is_allowed(kind, path):
    resolved = job_config.resolve(Config(source=f"{kind}:{path}", output_dir="data"), [])
    job_config.check(resolved)
    assert resolved.name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("folder:/data/Cats & Dogs!/", "cats_dogs"),
        ("listing:all.images.csv", "all_images"),
        ("listing:all.JSONL", "all"),
        ("hdf5:/data/train.h5", "train"),
        ("folder:/data/train.h5.old", "train_h5_old"),
        ("tfds:mnist", "mnist"),
        ("folder:gs://bucket/2024/flowers/", "flowers"),
        ("folder:gs://bucket", "bucket"),
        ("folder:/", "images"),
        ("folder:2024", "images_2024"),
    ],
)
def test_a_dataset_is_called_as_the_last_part_of_its_source(source, name):
    assert job_config.resolve(Config(source=source, output_dir="data"), []).name == name


def test_what_is_given_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resolved = job_config.resolve(GIVEN, ["prepare", "--seed=1"])
    assert resolved == dataclasses.replace(
        GIVEN, output_dir=os.path.join(os.getcwd(), "data"), command=["prepare", "--seed=1"]
    )
    remote = dataclasses.replace(GIVEN, output_dir="gs://bucket/data/")
    assert job_config.resolve(remote, []).output_dir == "gs://bucket/data"


@given(st.integers(1, 99_999), st.integers(1, 99_999))
def test_a_size_is_rows_and_columns_and_is_written_as_it_is_read(rows, columns):
    config = parsed(f"--size={rows},{columns}")
    assert config.size == (rows, columns)
    assert config.resize == Resize(size=(rows, columns))
    (field,) = (field for field in dataclasses.fields(Config) if field.name == "size")
    assert field.metadata["parser"].format(config.size) == f"{rows},{columns}"
    assert parsed(f"--size={rows}").size == (rows, rows)


@pytest.mark.parametrize("size", ["", "0", "12,", "1,2,3", "-5", "100000", "large"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(flags.IllegalFlagValueError, match="rows,columns"):
        parsed(f"--size={size}")


@pytest.mark.parametrize(
    "sizes",
    [
        {"size": (8, 8), "short_side": 8},
        {"size": (8, 8), "max_side": 8},
        {"short_side": 8, "max_side": 8},
        {"size": (8, 8), "short_side": 8, "max_side": 8},
    ],
)
def test_two_sizes_contradict_each_other(sizes):
    assert re.findall("`(.+?)`", refusal(**sizes)) == list(sizes)
    for name, value in sizes.items():
        assert refusal(**{name: value}) == ""


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a", True),
        ("a_1", True),
        ("a" * 100, True),
        ("a" * 101, False),
        ("", False),
        ("1a", False),
        ("_a", False),
        ("a-b", False),
        ("A", False),
        ("é", False),
        ("a\n", False),
    ],
)
def test_a_name_is_a_part_of_file_names(name, allowed):
    assert ("expected lower-case letters" in refusal(name=name)) != allowed


def test_near_duplicates_are_dropped_only_where_they_are_looked_for_and_there_is_a_split_for_it():
    drop = {"near_duplicates_action": "drop_from_eval"}
    assert "needs `near_duplicates`=BITS" in refusal(**drop)
    assert refusal(**drop, near_duplicates=0) == ""
    assert "folds have no split for evaluation" in refusal(
        **drop, near_duplicates=0, splits="kfold:5"
    )
    assert refusal(near_duplicates=0, splits="kfold:5") == ""


def test_a_command_that_the_card_cannot_hold_is_refused():
    assert refusal(command=["prepare", "--source=folder:é日"]) == ""
    assert r"'--source=folder:\udce9' is no UTF-8" in refusal(command=["--source=folder:\udce9"])


def test_the_flags_are_the_fields_but_the_command_and_name_every_kind_and_encoding():
    values = flags.FlagValues()
    config_flags.define(Config, flag_values=values)
    names = {field.name for field in dataclasses.fields(Config)}
    assert {*values} == names - {"command"}
    assert all(f"{kind}: " in values["source"].help for kind in sources.KINDS)
    for encoding in dataset_dir.ENCODINGS:
        assert parsed(f"--encoding={encoding}").encoding == encoding
