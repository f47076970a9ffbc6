import pytest

from benchmarks import folders
from headrace.errors import UserError


def test_the_tenth_has_the_first_of_every_class(tmp_path):
    for name in ("train/cat", "train/dog", "test/cat"):
        (tmp_path / "whole" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "whole" / name / f"{number:02d}.jpg").write_bytes(b"x")
    folders.link_tenth(tmp_path / "whole", tmp_path / "tenth")
    assert folders.count(tmp_path / "tenth") == 6
    assert (tmp_path / "tenth/test/cat/01.jpg").exists()
    assert not (tmp_path / "tenth/test/cat/02.jpg").exists()


def test_copies_of_a_photograph_stay_in_one_class(tmp_path):
    (tmp_path / "raw").mkdir()
    for number in range(12):
        (tmp_path / "raw" / f"{number:02d}.JPEG").write_bytes(bytes([number]))
    folders.copy_photos(tmp_path / "raw", tmp_path / "photos", copies=3)
    files = list((tmp_path / "photos").glob("*/*.jpg"))
    assert len(files) == 12 * 3
    assert {path.parent.name for path in files if path.name.startswith("03_")} == {"class_3"}
    assert len({path.parent for path in files}) == folders.PHOTO_CLASSES


def test_a_missing_archive_says_which_flag_to_set(tmp_path):
    with pytest.raises(UserError, match="--archives"):
        folders.cifar(tmp_path, tmp_path / "cache")
    assert not (tmp_path / "cache/cifar").exists()
