"""Stored bytes become the pixels that were counted; images come to size, nothing squashed."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from input import records

side = st.integers(1, 40)


@given(side, side, side, side, st.sampled_from([1, 3]), st.integers(0, 255))
@settings(max_examples=60)
def test_any_size_becomes_the_wanted_one_and_a_flat_image_stays_flat(
    rows, columns, wanted_rows, wanted_columns, channels, level
):
    image = tf.fill([rows, columns, channels], tf.constant(level, tf.uint8))
    resized = records.resize(image, (wanted_rows, wanted_columns))
    assert resized.dtype == tf.uint8
    assert resized.shape == (wanted_rows, wanted_columns, channels)
    np.testing.assert_array_equal(resized, np.full(resized.shape, level))


@given(side, side, st.integers(0, 9))
@settings(max_examples=20)
def test_an_image_of_the_wanted_size_is_untouched(rows, columns, seed):
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    np.testing.assert_array_equal(records.resize(tf.constant(image), (rows, columns)), image)


def test_the_centre_is_cut_out_and_the_aspect_kept():
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, 10:20] = 200  # a square in the middle third
    for size in (10, 5, 20):
        resized = records.resize(tf.constant(image), (size, size)).numpy()
        assert resized.mean() > 180, size
    wide = records.resize(tf.constant(image), (10, 20)).numpy()[..., 0]
    assert wide[:, 5:15].min() == 200
    assert wide[:, :5].max() == wide[:, 15:].max() == 0


def test_shrinking_averages_and_does_not_pick():
    image = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (16, 16))[..., None]
    resized = records.resize(tf.constant(image), (8, 8)).numpy()
    assert np.abs(resized.astype(int) - 127).max() < 30


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {"subsampling": "4:4:4"}),
        ("JPEG", "RGB", {"subsampling": "4:2:0"}),
        ("JPEG", "RGB", {"subsampling": "4:2:2", "progressive": True}),
        ("JPEG", "L", {}),
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("BMP", "RGB", {}),
        ("GIF", "RGB", {}),
    ],
)
def test_a_file_is_decoded_to_the_very_pixels_that_prepare_counted(kind, mode, options):
    shape = (43, 61, 3) if mode == "RGB" else (43, 61)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    stored = io.BytesIO()
    image.save(stored, kind, **options)
    for channels in {3, len(mode)}:
        expected = np.asarray(Image.open(stored).convert("RGB" if channels == 3 else "L"))
        decoded = tf.function(records.decode)(tf.constant(stored.getvalue()), channels)
        np.testing.assert_array_equal(decoded, expected.reshape(43, 61, channels))
