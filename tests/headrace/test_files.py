"""Writing files, local ones."""

import pathlib

import pytest

from headrace import files

FOLDERS = ["", "./", "below/", "{here}/below/"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_written_is_there_and_nothing_else(tmp_path, monkeypatch, folder):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    path = f"{folder.format(here=tmp_path)}name"
    files.write_atomic(path, b"content")
    assert files.read(path) == b"content"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / path]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_temporary_file_lies_beside_the_file(tmp_path, monkeypatch, folder):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{folder.format(here=tmp_path)}name"
    path.mkdir()
    with pytest.raises(IsADirectoryError) as caught:  # the temporary file cannot replace a folder
        files.write_atomic(f"{folder.format(here=tmp_path)}name", b"content")
    assert pathlib.Path(caught.value.filename).resolve().parent == path.parent
