"""Normalisation by neighbouring channels, against its formula."""

import keras
import numpy as np

from models.layers.local_response_norm import LocalResponseNormalization


def test_a_channel_is_divided_by_five_around_it():
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 7)).astype(np.float32) * 50
    padded = np.pad(images**2, ((0, 0), (0, 0), (0, 0), (2, 2)))
    sums = sum(padded[..., first : first + 7] for first in range(5))
    expected = images / (1 + 1e-4 / 5 * sums) ** 0.75
    np.testing.assert_allclose(LocalResponseNormalization()(images), expected, rtol=1e-5)


def test_it_keeps_shape_and_type_and_sums_in_32_bits():
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    images = np.full((1, 1, 1, 5), 300, np.float16)
    normalised = LocalResponseNormalization(dtype=policy)(images)
    assert (normalised.shape, normalised.dtype) == (images.shape, images.dtype)
    assert 0 < float(normalised[0, 0, 0, 2]) < 300
