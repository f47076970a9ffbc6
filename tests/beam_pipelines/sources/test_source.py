"""A source: nothing until it is told, and containers that travel to workers."""

import pickle

import h5py
import numpy as np
import pytest

from beam_pipelines import sources
from beam_pipelines.sources import hdf5
from beam_pipelines.sources import tfds as tfds_source
from beam_pipelines.sources.source import Source
from tests.beam_pipelines.jobs import prepare


@pytest.fixture(params=["hdf5", "tfds"])
def container_source(request, tmp_path, source, monkeypatch) -> Source:
    """30 images as a container of either kind, in several parts."""
    if request.param == "hdf5":
        monkeypatch.setattr(hdf5, "_RANGE", 7)
        with h5py.File(tmp_path / "images.h5", "w") as file:
            file["images"] = np.arange(30 * 64, dtype=np.uint8).reshape(30, 8, 8)
            file["labels"] = np.arange(30) % 3
        return sources.read(f"hdf5:{tmp_path / 'images.h5'}", "")
    monkeypatch.setattr(tfds_source, "_RANGE", 7)
    prepare(source, tmp_path / "data")
    return sources.read(f"tfds:{tmp_path / 'data'}", "")


def unpacked(container) -> list:
    return [image for part in container.ranges() for image in container.unpack(part)]


def test_the_parts_of_a_container_are_small_and_hold_every_image_once(container_source):
    container = container_source.container
    sizes = [len(list(container.unpack(part))) for part in container.ranges()]
    assert max(sizes) == 7
    assert sum(sizes) == container_source.num_images == 30
    paths = [listed.path for listed, _ in unpacked(container)]
    assert len(set(paths)) == 30
    assert {listed.label for listed, _ in unpacked(container)} == set(container_source.classes)


def test_a_container_that_was_sent_to_a_worker_gives_the_same_images(container_source):
    sent = pickle.loads(pickle.dumps(container_source.container))
    assert unpacked(sent) == unpacked(container_source.container)


def test_a_container_is_sent_without_its_images(container_source, tmp_path):
    """8×8 pixels of 30 images are 1,920 bytes."""
    container = container_source.container
    assert len(pickle.dumps(container)) < 500 + len(str(tmp_path))
    assert all(len(pickle.dumps(part)) < 60 for part in container.ranges())


def test_the_files_of_a_container_are_none(container_source):
    assert list(container_source.list_files()) == []


def test_files_can_be_listed_more_than_once_each_time_from_the_first(source):
    found = sources.read(f"folder:{source}", "")
    assert found.container is None
    first = list(found.list_files())
    assert len(first) == 30
    assert list(found.list_files()) == first


def test_a_source_has_nothing_but_what_it_is_given():
    found = Source("photos")
    assert list(found.list_files()) == []
    assert (found.classes, found.container) == (None, None)
    assert (found.num_images, found.splits) == (0, frozenset())
