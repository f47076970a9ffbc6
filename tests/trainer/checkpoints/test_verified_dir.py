"""Verified folders: complete or not there, and any change to them is noticed."""

import pathlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.checkpoints import verified_dir


def make(folder: pathlib.Path, contents: dict[str, bytes], about: dict[str, object]) -> None:
    def write_files(staging: str) -> None:
        for name, content in contents.items():
            pathlib.Path(staging, name).write_bytes(content)

    verified_dir.write(str(folder), write_files, about)


@given(
    contents=st.dictionaries(st.sampled_from("abc"), st.binary(max_size=50), min_size=1),
    about=st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
    data=st.data(),
)
def test_a_folder_is_as_it_was_written_or_damaged(tmp_path_factory, contents, about, data):
    parent = tmp_path_factory.mktemp("parent")
    make(parent / "one", contents, about)
    with verified_dir.open_verified(str(parent / "one")) as (folder, noted):
        assert noted == about
        assert {name: pathlib.Path(folder, name).read_bytes() for name in contents} == contents

    path = parent / "one" / data.draw(st.sampled_from([*contents, verified_dir.MANIFEST]))
    before = path.read_bytes()
    position = data.draw(st.integers(0, len(before)))
    path.write_bytes(before[:position] + data.draw(st.binary(max_size=3)) + before[position + 1 :])
    if path.read_bytes() != before:
        with (
            pytest.raises(verified_dir.DamagedError, match=re.escape(path.name)),
            verified_dir.open_verified(str(parent / "one")),
        ):
            pass


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    def write_files(staging: str) -> None:
        pathlib.Path(staging, "half").write_bytes(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        verified_dir.write(str(tmp_path / "one"), write_files, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_is_under_another_name_while_it_is_written(tmp_path):
    names: list[str] = []
    pattern = re.compile("one|two")

    def write_files(staging: str) -> None:
        assert verified_dir.names(str(tmp_path), pattern) == []
        names.extend(path.name for path in tmp_path.iterdir())

    verified_dir.write(str(tmp_path / "one"), write_files, {})
    (staging,) = names
    assert staging.startswith(".one.")
    assert verified_dir.names(str(tmp_path), pattern) == ["one"]
    (tmp_path / staging).mkdir()
    (tmp_path / staging.replace("one", "three")).mkdir()
    verified_dir.clean(str(tmp_path), pattern)
    assert sorted(p.name for p in tmp_path.iterdir()) == [staging.replace("one", "three"), "one"]
    verified_dir.remove(str(tmp_path / "one"))
    assert (
        verified_dir.names(str(tmp_path), pattern)
        == verified_dir.names(str(tmp_path / "none"), pattern)
        == []
    )
