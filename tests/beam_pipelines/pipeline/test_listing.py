"""The list of a source: all of it, counted, cut into tasks, and gone when it is not needed."""

import dataclasses
import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.pipeline import listing
from beam_pipelines.pipeline.listing import list_source
from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UserError

some_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=9)
source_images = st.builds(
    SourceImage,
    some_text,
    st.sampled_from(["cat", "dog", "é\n"]),
    st.sampled_from([None, "train", "test", "validation"]),
    st.none() | some_text,
    st.none() | st.floats(0, 1e6),
)


def source_of(images: list[SourceImage], root="nowhere", classes=None) -> Source:
    return Source(str(root), lambda: iter(images), classes)


def written(folder: pathlib.Path, number: int) -> list[SourceImage]:
    """What a task of the scan will find listed."""
    path = f"{folder}/listing-{number:09d}.jsonl"
    return [SourceImage(**row) for row in files.read_rows(path)]


@given(st.lists(source_images, max_size=30), st.integers(1, 7))
@settings(max_examples=40)
def test_tasks_list_every_image_once_in_order_whatever_its_texts(
    tmp_path_factory, monkeypatch, images, chunk
):
    monkeypatch.setattr(listing, "_CHUNK", chunk)
    work = tmp_path_factory.mktemp("work")
    with list_source(source_of(images)) as found:
        tasks = listing.tasks(found)
        listing.write_listings(found, str(work))
    assert tasks == [(number, None) for number in range(-(-len(images) // chunk))]
    per_task = [written(work, number) for number, _ in tasks]
    assert [image for task in per_task for image in task] == images
    assert all(len(task) == chunk for task in per_task[:-1])
    assert len(os.listdir(work)) == len(tasks)


@given(st.lists(source_images, max_size=30))
@settings(max_examples=40)
def test_images_classes_and_splits_are_counted(images):
    with list_source(source_of(images)) as found:
        assert found.num_images == len(images)
        assert found.classes == sorted({image.label for image in images})
        assert found.source_splits == {image.source_split for image in images} - {None}
        divisible = [image for image in images if image.source_split in (None, "train")]
        assert found.num_divisible == len(divisible)


@pytest.mark.parametrize("classes", [["dog", "cat", "eel"], []])
def test_a_source_that_orders_its_classes_is_believed(classes):
    with list_source(source_of([SourceImage("1.png", "cat")], classes=classes)) as found:
        assert found.classes == classes


def test_the_size_of_files_is_told_from_a_few_of_them(tmp_path):
    names = [f"{number}.png" for number in range(1, 101)]
    for number, name in enumerate(names, 1):
        (tmp_path / name).write_bytes(bytes(1000 * number))
    images = [SourceImage(name, "cat") for name in names]
    with list_source(source_of(images, tmp_path)) as found:
        assert found.mean_bytes == 1000 * (1 + 2 + 4 + 8 + 16 + 32 + 64) / 7
    with list_source(source_of([SourceImage("gone.png", "cat")], tmp_path)) as found:
        assert found.mean_bytes == 0
    with list_source(source_of([])) as found:
        assert found.mean_bytes == 0


@dataclasses.dataclass(frozen=True)
class Box:
    """A container of three parts."""

    def ranges(self) -> list[str]:
        return ["first", "second", "third"]

    def unpack(self, part: str):
        raise AssertionError("a listing opens no image")


def test_a_container_is_told_in_parts_and_lists_no_file(tmp_path):
    source = Source(
        "box", classes=["b", "a"], container=Box(), num_images=70, splits=frozenset({"test"})
    )
    with list_source(source) as found:
        assert listing.tasks(found) == [(0, "first"), (1, "second"), (2, "third")]
        listing.write_listings(found, str(tmp_path))
        assert (found.num_images, found.num_divisible, found.mean_bytes) == (70, 70, 0)
        assert (found.classes, found.source_splits) == (["b", "a"], {"test"})
    assert os.listdir(tmp_path) == []


def test_the_list_is_gone_after_the_block_whatever_happens_in_it():
    with (
        pytest.raises(ZeroDivisionError),
        list_source(source_of([SourceImage("1.png", "cat")])) as found,
    ):
        assert os.path.getsize(found.file) > 0
        _ = 1 / 0
    assert not os.path.exists(os.path.dirname(found.file))


def test_a_name_that_is_no_utf8_is_shown_as_its_bytes():
    image = SourceImage(os.fsdecode(b"cat/\xff.png"), "cat")
    words = r"photos: the name of file b'cat/\\xff.png' is no UTF-8; rename it"
    with pytest.raises(UserError, match=words), list_source(source_of([image], "photos")):
        pass


def test_temporary_files_without_a_place_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    words = r"the list of photos cannot be written .*No such file.* set TMPDIR to another folder"
    with pytest.raises(UserError, match=words), list_source(source_of([], "photos")):
        pass


def test_an_error_of_what_is_done_with_the_list_is_not_taken_for_one_of_listing():
    with pytest.raises(PermissionError), list_source(source_of([])):
        raise PermissionError
