"""The walk through folders: every file once, sorted, and none passed over unnoticed."""

import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.sources.walk import files_below, walk
from headrace.errors import UserError
from tests.conftest import upload, write_images


def touch(folder: pathlib.Path, *paths: str) -> str:
    """Makes these files, empty; returns the folder."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    return str(folder)


def test_hidden_files_and_what_file_managers_leave_are_passed_over(tmp_path):
    root = touch(tmp_path, "cat/1.png", "dog/1.png", ".git/x", "cat/.a.png", "cat/Thumbs.db",
                 "dog/desktop.ini", "dog/.thumbnails/1.png", ".DS_Store")  # fmt: skip
    assert list(files_below(root)) == ["cat/1.png", "dog/1.png"]


def test_links_to_folders_and_files_are_followed(tmp_path):
    write_images(tmp_path / "elsewhere", {"cat": 2})
    root = touch(tmp_path / "source", "dog/1.png")
    (tmp_path / "source/cat").symlink_to(tmp_path / "elsewhere/cat")
    (tmp_path / "source/dog/2.png").symlink_to(tmp_path / "elsewhere/cat/000.png")
    assert list(files_below(root)) == [
        "cat/000.png", "cat/001.png", "dog/1.png", "dog/2.png"
    ]  # fmt: skip


def test_a_folder_that_cannot_be_listed_is_an_error_not_a_gap(tmp_path, monkeypatch):
    root = touch(tmp_path, "cat/1.png", "dog/1.png")
    parts = ["x" * 200] * 25  # deeper than a path may be long
    monkeypatch.chdir(tmp_path / "cat")
    for part in parts:
        os.mkdir(part)
        os.chdir(part)
    with pytest.raises(UserError, match="cannot be listed"):
        list(walk(root))


names = st.text("ab.Z é", min_size=1, max_size=3).filter(lambda name: not name.startswith("."))
trees = st.recursive(
    st.none(), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def grow(folder: pathlib.Path, tree: dict | None) -> None:
    """Makes a folder of what a dictionary holds: None for a file."""
    if tree is None:
        folder.write_bytes(b"")
        return
    folder.mkdir()
    for name, inner in tree.items():
        grow(folder / name, inner)


@given(st.dictionaries(names, trees, max_size=4))
@settings(max_examples=50)
def test_a_walk_is_that_of_python_sorted(tmp_path_factory, tree):
    root = tmp_path_factory.mktemp("walk") / "root"
    grow(root, tree)
    expected = []
    for directory, folders, files in os.walk(root):
        folders.sort()
        expected.append((directory, list(folders), sorted(files)))
    assert list(walk(str(root))) == expected
    below = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    assert sorted(files_below(str(root))) == sorted(below)
    for folder in tree:
        if (root / folder).is_dir():
            inside = [path for path in below if path.startswith(f"{folder}/")]
            assert sorted(files_below(str(root), folder)) == sorted(inside)


def test_a_folder_is_listed_only_when_the_walk_comes_to_it(tmp_path):
    root = touch(tmp_path, "a/1", "b/1")
    steps = walk(root)
    assert next(steps) == (root, ["a", "b"], [])
    touch(tmp_path, "b/2")
    assert list(steps) == [(f"{root}/a", [], ["1"]), (f"{root}/b", [], ["1", "2"])]


def test_a_link_that_leads_back_is_an_error_not_a_walk_without_end(tmp_path):
    root = touch(tmp_path, "cat/1.png")
    (tmp_path / "cat/again").symlink_to(tmp_path / "cat")
    with pytest.raises(UserError, match=r"cannot be listed \(Too many levels of symbolic links\)"):
        list(walk(root))


@pytest.mark.parametrize("path", ["gone", "file"])
def test_what_is_no_folder_is_named(tmp_path, path):
    touch(tmp_path, "file")
    with pytest.raises(UserError, match=f"{path} is no folder; check `source`"):
        next(walk(f"{tmp_path}/{path}"))


def test_an_empty_folder_is_walked_though_in_a_bucket_it_is_none(tmp_path, bucket):
    assert list(walk(str(tmp_path))) == [(str(tmp_path), [], [])]
    with pytest.raises(UserError, match=r"gone is no folder, or an empty one; check `source`"):
        next(walk(f"gs://{bucket.name}/gone"))


def test_a_bucket_is_walked_as_a_folder_is(tmp_path, bucket):
    local = touch(tmp_path, "b/2/x", "b/1", "a/.git/x", "a/Thumbs.db", "a/0", "top")
    remote = upload(bucket, tmp_path, "photos")
    assert list(files_below(remote)) == list(files_below(local)) == ["top", "a/0", "b/1", "b/2/x"]
    assert list(files_below(remote, "b")) == ["b/1", "b/2/x"]
