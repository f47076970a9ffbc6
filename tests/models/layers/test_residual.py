"""Branches of residual networks."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models.layers import residual


def test_squeeze_and_excitation_weighs_channels_by_the_whole_image():
    keras.utils.set_random_seed(0)
    image = keras.Input((3, 4, 32))
    model = keras.Model(image, residual.squeeze_excite(image, reduction=4))
    assert model.count_params() == (32 * 8 + 8) + (8 * 32 + 32)
    pixels = np.random.default_rng(0).uniform(0.5, 1, (2, 3, 4, 32)).astype(np.float32)
    weights = np.asarray(model(pixels)) / pixels
    np.testing.assert_allclose(weights, weights[:, :1, :1].repeat(3, 1).repeat(4, 2), rtol=1e-5)
    assert 0 < weights.min() < weights.max() < 1


def test_a_branch_is_left_out_for_whole_images_in_training_alone():
    x, branch = keras.Input((2, 2, 1)), keras.Input((2, 2, 1))
    model = keras.Model([x, branch], residual.add(x, branch, drop=0.5))
    zeros, ones = np.zeros((64, 2, 2, 1), np.float32), np.ones((64, 2, 2, 1), np.float32)
    np.testing.assert_array_equal(model([zeros, ones], training=False), ones)
    trained = np.asarray(model([zeros, ones], training=True)).reshape(64, 4)
    assert set(np.unique(trained)) == {0, 2}
    np.testing.assert_array_equal(trained.min(1), trained.max(1))


def test_without_a_share_there_is_no_dropout():
    x, branch = keras.Input((2, 2, 1)), keras.Input((2, 2, 1))
    model = keras.Model([x, branch], residual.add(x, branch))
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


def test_shares_rise_evenly_from_none():
    assert residual.drop_rates(0.4, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert residual.drop_rates(0.4, 1) == [0]


@pytest.mark.parametrize("last", [-0.1, 1.0])
def test_what_is_no_share_is_refused(last):
    with pytest.raises(UserError, match=f"received {last}"):
        residual.drop_rates(last, 3)
