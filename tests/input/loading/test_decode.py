"""Stored bytes become the pixels that were counted."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from input.loading import decode


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
        decoded = tf.function(decode.decode)(tf.constant(stored.getvalue()), channels)
        np.testing.assert_array_equal(decoded, expected.reshape(43, 61, channels))
