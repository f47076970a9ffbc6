"""`hdf5:` reads images and labels, and says what in a file it cannot take."""

import io
import json

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from beam_pipelines import sources
from beam_pipelines.sources import hdf5
from headrace.errors import UserError
from tests.beam_pipelines.jobs import prepare, stored_records

NAMES = ["cat", "dog", "é, #"]
LABELS = np.arange(12) % 3


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def write(folder, **datasets):
    """A file of these datasets; `label_names` is variable-length text."""
    path = folder / "images.h5"
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            text = h5py.string_dtype() if name == "label_names" else None
            file.create_dataset(name, data=values, dtype=text)
    return f"hdf5:{path}"


@pytest.mark.parametrize(
    ("shape", "channels"), [((12, 6, 5), 1), ((12, 6, 5, 1), 1), ((12, 6, 5, 3), 3)]
)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "float32"])
def test_pixels_and_labels_are_those_of_the_file(tmp_path, monkeypatch, shape, channels, dtype):
    monkeypatch.setattr(hdf5, "_RANGE", 5)  # so that there are several parts
    given = pixels(*shape)
    spec = write(tmp_path, images=given.astype(dtype), labels=LABELS, label_names=NAMES)
    card = prepare(spec, tmp_path / "data", splits="train:1")
    assert (card.channels, card.classes) == (channels, NAMES)
    assert card.mean == pytest.approx(given.reshape(-1, channels).mean(0), rel=1e-12)
    found = stored_records(tmp_path / "data")
    assert {path: row["label"] for path, row in found.items()} == {
        f"images/{number:08d}": NAMES[number % 3] for number in range(12)
    }


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
        elements=st.integers(0, 255),
    ).filter(lambda images: images.dtype == np.uint8 or images.max() > 1)
)
@settings(max_examples=40)
def test_every_pixel_comes_out_as_it_went_in(tmp_path_factory, images):
    labels = np.arange(len(images))
    spec = write(tmp_path_factory.mktemp("hdf5"), images=images, labels=labels)
    container = sources.read(spec, "").container
    assert container
    found = [data for part in container.ranges() for _, data in container.unpack(part)]
    for data, stored_pixels in zip(found, images, strict=True):
        assert isinstance(data, bytes)
        image = np.asarray(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(image.reshape(stored_pixels.shape), stored_pixels)


def test_classes_without_names_are_called_by_their_numbers_in_their_order(tmp_path):
    labels = np.arange(12)
    spec = write(tmp_path, images=pixels(12, 4, 4), labels=labels)
    card = prepare(spec, tmp_path / "data", splits="train:1")
    assert card.classes == [str(label) for label in range(12)]


@pytest.mark.parametrize("bad", [-1.0, 256.0, np.nan, np.inf])
def test_an_image_with_a_pixel_that_is_none_is_quarantined(tmp_path, bad):
    images = pixels(12, 4, 4).astype(np.float64)
    images[7, 1, 2] = bad
    spec = write(tmp_path, images=images, labels=LABELS)
    card = prepare(spec, tmp_path / "data", splits="train:1", max_bad_fraction=0.1)
    row = json.loads((tmp_path / "data/quarantine.jsonl").read_text())
    assert (row["path"], row["reason"]) == ("images/00000007", "undecodable")
    assert "expected 0 to 255" in row["detail"]
    assert card.splits["train"].records == 11


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"labels": LABELS}, "no dataset 'images'; it has labels"),
        ({}, "no dataset 'images'; it has nothing"),
        ({"images": pixels(12, 4, 4), "y": LABELS}, "no dataset 'labels'; it has images, y"),
        ({"images": pixels(12, 4), "labels": LABELS}, r"images are of shape \(12, 4\)"),
        ({"images": pixels(12, 4, 4, 4), "labels": LABELS}, r"shape \(12, 4, 4, 4\)"),
        ({"images": pixels(12, 3, 4, 4), "labels": LABELS}, "1 or 3 channels"),
        ({"images": pixels(11, 4, 4), "labels": LABELS}, r"\(12,\), expected .* each of 11 images"),
        ({"images": pixels(12, 4, 4), "labels": np.eye(3)[LABELS]}, r"float64 \(12, 3\)"),
        ({"images": pixels(12, 4, 4), "labels": LABELS / 1}, r"labels are float64"),
        ({"images": pixels(12, 4, 4) / 255, "labels": LABELS}, "pixels seem to be 0-1"),
        ({"images": pixels(12, 4, 4) * 1j, "labels": LABELS}, "pixels are complex128"),
        (
            {"images": pixels(12, 4, 4), "labels": LABELS, "label_names": NAMES[:2]},
            "labels go from 0 to 2, but there are 2 label names",
        ),
        (
            {"images": pixels(12, 4, 4), "labels": LABELS - 1, "label_names": NAMES},
            "labels go from -1 to 1",
        ),
        (
            {"images": pixels(12, 4, 4), "labels": LABELS, "label_names": ["cat", "dog", "cat"]},
            "has class 'cat' twice",
        ),
        (
            {"images": pixels(12, 4, 4), "labels": LABELS, "label_names": [b"cat", b"\xff", b"c"]},
            "label_names are not UTF-8",
        ),
        ({"images": pixels(12, 4, 4), "labels": LABELS * 0}, "one class only, '0'"),
        ({"images": pixels(0, 4, 4), "labels": LABELS[:0], "label_names": NAMES}, "has no image"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path, datasets, words):
    with pytest.raises(UserError, match=words):
        prepare(write(tmp_path, **datasets), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_group_is_no_dataset(tmp_path):
    spec = write(tmp_path, labels=LABELS)
    with h5py.File(tmp_path / "images.h5", "a") as file:
        file.create_group("images")
    with pytest.raises(UserError, match="no dataset 'images'"):
        sources.read(spec, "")


def test_another_number_of_classes_is_refused(tmp_path):
    spec = write(tmp_path, images=pixels(12, 4, 4), labels=LABELS, label_names=NAMES)
    with pytest.raises(UserError, match=r"has 3 classes .*`num_classes` says 10"):
        prepare(spec, tmp_path / "data", num_classes=10)


@pytest.mark.parametrize("content", [None, b"", b"no HDF5 at all", "half"])
def test_a_file_that_is_missing_or_damaged_is_refused(tmp_path, content):
    spec = write(tmp_path, images=pixels(12, 4, 4), labels=LABELS)
    path = tmp_path / "images.h5"
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(UserError, match=r"images\.h5 cannot be read as HDF5"):
        sources.read(spec, "")
