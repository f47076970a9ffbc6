"""Whitening: patches of images come out uncorrelated, by weights that only images can change."""

import keras
import numpy as np
import pytest

from models.layers.whitening import PatchWhitening, whiten


def images(channels: int, scale: float = 1.0, count: int = 40) -> np.ndarray:
    """Return smooth images whose channels say nearly the same, with another mean each."""
    rng = np.random.default_rng(channels)
    noise = rng.normal(size=(count, 13, 12, 1 + channels))
    smooth = noise[:, :-1, :-1] + noise[:, 1:, :-1] + noise[:, :-1, 1:]
    shared, own = smooth[..., :1], smooth[..., 1:]
    return (scale * (shared + own + np.arange(channels) - 0.5)).astype(np.float32)


def whitened(found: np.ndarray, batches: int = 1) -> np.ndarray:
    """Return what the layer makes of images by their own weights, `[patches, filters]`."""
    layer = PatchWhitening()
    layer.build(found.shape)
    kernel, bias = whiten(np.array_split(found, batches))
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    outputs = np.asarray(layer(found), np.float64)
    assert outputs.shape == layer.compute_output_shape(found.shape)
    return outputs.reshape(-1, outputs.shape[-1])


@pytest.mark.parametrize(("channels", "scale"), [(1, 1), (3, 1), (4, 1), (3, 100), (3, 0.01)])
def test_outputs_are_uncorrelated_of_one_variance_and_mean_0_with_either_sign(channels, scale):
    outputs = whitened(images(channels, scale))
    directions = 4 * channels
    assert outputs.shape[1] == 2 * directions
    identity = np.eye(directions)
    expected = np.block([[identity, -identity], [-identity, identity]])
    np.testing.assert_allclose(np.cov(outputs.T), expected, atol=0.05)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(outputs[:, :directions], -outputs[:, directions:], atol=1e-3)


def test_directions_in_which_images_do_not_differ_are_not_blown_up():
    found = images(3)
    found[..., 2] = found[..., 0] + found[..., 1]
    assert np.abs(whitened(found)).max() < 10
    flat = np.full((2, 4, 4, 1), 7, np.float32)
    assert np.isfinite(whitened(flat)).all()


def test_weights_do_not_hang_on_how_images_are_batched():
    for one, other in zip(whiten([images(3)]), whiten(np.array_split(images(3), 7)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_until_it_has_images_it_keeps_all_that_a_patch_holds():
    keras.utils.set_random_seed(1)
    layer = PatchWhitening()
    layer.build((None, 5, 5, 3))
    kernel = np.asarray(layer.kernel).reshape(12, 24)
    np.testing.assert_allclose(kernel[:, :12].T @ kernel[:, :12], np.eye(12), atol=1e-5)
    np.testing.assert_array_equal(kernel[:, :12], -kernel[:, 12:])


def test_the_kernel_is_not_trained_even_if_a_network_was_frozen_and_is_thawed():
    pixels = keras.Input((5, 5, 1))
    network = keras.Model(pixels, PatchWhitening()(pixels))
    assert [each.name for each in network.trainable_variables] == ["bias"]
    network.trainable = False
    assert network.trainable_variables == []
    network.trainable = True
    assert [each.name for each in network.trainable_variables] == ["bias"]
