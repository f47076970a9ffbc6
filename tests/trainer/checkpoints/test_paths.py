"""Where checkpoints are, and what they are called."""

import pathlib

import pytest

from trainer.checkpoints import paths


@pytest.fixture
def home(tmp_path) -> str:
    for name in ("step-00000002", "step-00000010", "step-00000010-1", "step-00000010-2", "best"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-2").mkdir()
    return paths.home(str(tmp_path), "latest")


def test_the_newest_comes_first_and_a_repetition_before_what_it_repeats(home):
    names = [pathlib.Path(path).name for path in paths.newest_first(home)]
    assert names == ["step-00000010-2", "step-00000010-1", "step-00000010", "step-00000002"]
    assert [paths.step_of(name) for name in names] == [10, 10, 10, 2]
    assert paths.newest(str(pathlib.Path(home).parent)) == 10


def test_the_next_one_of_a_step_has_a_name_that_is_free(home):
    assert paths.next_path(home, 10) == f"{home}/step-00000010-3"
    assert paths.next_path(home, 2) == f"{home}/step-00000002-1"
    assert paths.next_path(home, 3) == f"{home}/step-00000003"


def test_a_run_without_checkpoints_has_no_newest(tmp_path):
    assert paths.newest(str(tmp_path / "none")) is None
    assert paths.home(str(tmp_path), "best") == f"{tmp_path}/checkpoints/best"


def test_a_folder_has_another_path_without_wildcards_meanwhile(tmp_path):
    folder = tmp_path / "a [1] * ?"
    folder.mkdir()
    (folder / "file").write_text("here")
    with paths.without_wildcards(str(folder)) as plain:
        assert not set("[]*?") & set(plain)
        assert pathlib.Path(plain, "file").read_text() == "here"
    assert not pathlib.Path(plain).exists()
    assert (folder / "file").exists()
