"""Convolutions that begin as copies of their input."""

import keras
import numpy as np
import pytest

from models.layers.partial_identity import PartialIdentity
from models.layers.style import Style


@pytest.mark.parametrize(("channels", "filters"), [(3, 3), (3, 8), (8, 3)])
def test_the_first_filters_hand_the_channels_on_and_the_others_are_as_ever(channels, filters):
    keras.utils.set_random_seed(1)
    images = np.random.default_rng(0).normal(size=(2, 6, 5, channels)).astype(np.float32)
    pixels = keras.Input(images.shape[1:])
    style = Style(kernel_initializer="lecun_uniform")
    outputs = style.conv(pixels, filters, 3, use_bias=False, linear=True, identity=True)
    found = np.asarray(keras.Model(pixels, outputs)(images))
    copied = min(channels, filters)
    np.testing.assert_allclose(found[..., :copied], images[..., :copied], rtol=1e-6)
    others = found[..., copied:]
    assert others.shape[-1] == filters - copied
    assert not others.size or others.std((0, 1, 2)).min() > 0.1


def test_a_kernel_of_any_type_and_size_is_made():
    make = PartialIdentity(keras.initializers.Constant(7.0))
    kernel = make((1, 5, 2, 4), "float16")
    assert kernel.dtype == "float16"
    expected = np.full((1, 5, 2, 4), 7.0)
    expected[..., :2] = 0
    expected[0, 2, 0, 0] = expected[0, 2, 1, 1] = 1
    np.testing.assert_array_equal(kernel, expected)
