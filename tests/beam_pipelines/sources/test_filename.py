"""`filename:` takes the class from a file's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UsageError, UserError
from tests.beam_pipelines.jobs import list_images, prepare, stored_records
from tests.conftest import assert_one_line_error, run_program, write_images


def flat(folder, classes=("cat", "dog"), count=4):
    """Files as those of Dogs vs. Cats, `cat.11866.jpg`, though PNG."""
    write_images(folder, dict.fromkeys(classes, count))
    for name in classes:
        for number, path in enumerate(sorted((folder / name).iterdir())):
            path.rename(folder / f"{name}.{11866 + number}.png")
        (folder / name).rmdir()
    return f"filename:{folder}"


def test_dogs_and_cats_are_told_by_what_stands_before_the_dot(tmp_path):
    card = prepare(flat(tmp_path / "train"), tmp_path / "data")
    assert card.classes == ["cat", "dog"]
    found = stored_records(tmp_path / "data")
    assert len(found) == 8
    assert all(path.split(".")[0] == row["label"] for path, row in found.items())


def test_a_pattern_of_ones_own_reads_any_name_in_any_folder(tmp_path):
    for path in ("a/IMG_001_tabby.cat.png", "b/c/IMG_2_husky.dog.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"")
    found = list_images(f"filename:{tmp_path}", r".*\.(\w+)\.png$")
    assert [(row.path, row.label) for row in found] == [
        ("a/IMG_001_tabby.cat.png", "cat"),
        ("b/c/IMG_2_husky.dog.png", "dog"),
    ]


@given(st.from_regex(r"\A[^./\0\n\ud800-\udfff]{1,20}\Z"), st.integers(0, 99999))
def test_the_default_pattern_takes_any_class_without_a_dot(tmp_path_factory, label, number):
    folder = tmp_path_factory.mktemp("names")
    (folder / f"{label}.{number}.jpg").write_bytes(b"")
    assert [row.label for row in list_images(f"filename:{folder}")] == [label]


@pytest.mark.parametrize("name", ["README", "cat-1"])
def test_a_name_that_does_not_match_is_an_error_and_no_class(tmp_path, name):
    spec = flat(tmp_path / "train")
    (tmp_path / "train" / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"{name}: its name does not match `class_pattern`="):
        prepare(spec, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_group_that_matches_nothing_is_no_class(tmp_path):
    spec = flat(tmp_path / "train")
    with pytest.raises(UserError, match="does not match"):
        list_images(spec, r"(\d*)cat|dog")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("(cat", ["--class_pattern=(cat"]), ("cat|dog", ["--class_pattern=cat|dog", "parentheses"])],
)
def test_a_wrong_pattern_is_bad_usage(tmp_path, pattern, words):
    with pytest.raises(UsageError, match="`class_pattern`"):
        list_images(flat(tmp_path / "train"), pattern)
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=filename:{tmp_path / 'train'}",
        f"--output_dir={tmp_path / 'data'}",
        f"--class_pattern={pattern}",
    )
    assert_one_line_error(finished, 2, *words)


def test_no_folder_no_image_one_class_or_another_number_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    one, two = flat(tmp_path / "one", ["cat"]), flat(tmp_path / "two")
    for spec, classes, words in [
        (f"filename:{tmp_path}/nowhere", None, "nowhere is no folder"),
        (f"filename:{tmp_path}/empty", None, "empty has no image"),
        (one, None, "one class only, 'cat'"),
        (two, 10, "has 2 classes .*`num_classes` says 10"),
    ]:
        with pytest.raises(UserError, match=words):
            prepare(spec, tmp_path / "data", num_classes=classes)
