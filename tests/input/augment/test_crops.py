"""Crops at random places: the pixels are the image's own, every place comes, none lies outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from input.augment import crops
from tests.input.augment.batches import assert_augments, batch_rng, images


def places(batch, cropped, padded):
    """The first row and column of each crop in its padded image; fails where it lies nowhere."""
    rows, columns = cropped.shape[1:3]
    down, right = padded.shape[1] - rows + 1, padded.shape[2] - columns + 1
    found = []
    for image, crop in zip(padded, cropped, strict=True):
        hits = [
            (top, left)
            for top in range(down)
            for left in range(right)
            if (image[top : top + rows, left : left + columns] == crop).all()
        ]
        assert hits
        found.append(hits[0])
    return np.array(found)


def pad(batch, by, fill, value=0):
    width = [(0, 0), (by, by), (by, by), (0, 0)]
    options = {"constant_values": value} if fill == "constant" else {}
    return np.pad(batch, width, fill, **options)


@given(
    st.integers(2, 9),
    st.integers(2, 9),
    st.sampled_from([1, 3]),
    st.sampled_from(crops.FILLS),
    st.integers(0, 8),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_a_padded_crop_is_a_window_of_the_padded_image(rows, columns, channels, fill, by, step):
    by = min(by, rows - 1, columns - 1)
    batch = images(4, rows, columns, channels)
    cropped = crops.pad_and_crop(batch, batch_rng(4, step), by, fill, fill_value=0)
    assert cropped.dtype == np.uint8
    places(batch, cropped.numpy(), pad(batch, by, fill))


@pytest.mark.parametrize("fill", crops.FILLS)
def test_every_shift_is_as_likely(fill):
    batch = images(2000, 7, 8)
    cropped = crops.pad_and_crop(batch, batch_rng(2000), 2, fill, fill_value=9).numpy()
    found = places(batch, cropped, pad(batch, 2, fill, 9))
    counts = np.bincount(found[:, 0] * 5 + found[:, 1], minlength=25)
    assert len(counts) == 25 and counts.min() > 40 and counts.max() < 130  # of 80


def test_a_border_of_nothing_changes_nothing():
    for channels in (1, 3):
        batch = images(channels=channels)
        for fill in crops.FILLS:
            np.testing.assert_array_equal(crops.pad_and_crop(batch, batch_rng(), 0, fill), batch)


@pytest.mark.parametrize("fill", crops.FILLS)
def test_a_padded_crop_is_pure_and_elastic(fill):
    assert_augments(lambda i, d: crops.pad_and_crop(i, d, 3, fill), images())


@given(st.integers(1, 9), st.integers(1, 9), st.data())
@settings(max_examples=30)
def test_a_crop_is_a_window_of_the_image(rows, columns, data):
    batch = images(4, rows, columns, channels=3)
    size = data.draw(st.tuples(st.integers(1, rows), st.integers(1, columns)))
    cropped = np.asarray(crops.random_crop(batch, batch_rng(4), size))
    assert cropped.shape == (4, *size, 3) and cropped.dtype == np.uint8
    places(batch, cropped, batch)


def test_a_crop_of_the_whole_is_the_image_and_every_place_comes():
    batch = images(500)
    np.testing.assert_array_equal(crops.random_crop(batch, batch_rng(500), (12, 10)), batch)
    found = places(batch, crops.random_crop(batch, batch_rng(500), (9, 8)).numpy(), batch)
    counts = np.bincount(found[:, 0] * 3 + found[:, 1], minlength=12)
    assert len(counts) == 12 and counts.min() > 20 and counts.max() < 70  # of 42


def test_a_crop_is_pure_and_elastic():
    assert_augments(lambda i, d: crops.random_crop(i, d, (5, 7)), images())
