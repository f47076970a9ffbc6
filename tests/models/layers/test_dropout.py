"""Dropout of each kind, and its samples in prediction."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models.layers import dropout
from models.layers.batch_norm import GlobalBatchNormalization

IMAGES = np.random.default_rng(0).normal(3, 1, (4, 5, 6, 8)).astype(np.float32)
KINDS = ["plain", "spatial", "alpha", "gaussian"]


def network(kind: str, rate: float = 0.5) -> keras.Model:
    """Return batch norm, and dropout of a kind."""
    image = keras.Input(IMAGES.shape[1:])
    return keras.Model(image, dropout.dropout(GlobalBatchNormalization()(image), rate, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_it_drops_in_training_and_in_prediction_only_when_sampled(kind):
    model = network(kind)
    first, again = (np.asarray(model(IMAGES, training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.any(np.asarray(model(IMAGES, training=True)) != model(IMAGES, training=True))

    sampled = network(kind)
    assert dropout.sample(sampled) == 1
    first, again = (np.asarray(sampled(IMAGES, training=False)) for _ in range(2))
    assert np.any(first != again)
    np.testing.assert_array_equal(sampled.layers[1].moving_mean, 0 * IMAGES[0, 0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_samples_can_begin_anew_and_are_others_in_each_layer(kind):
    image = keras.Input(IMAGES.shape[1:])
    both = keras.ops.stack([dropout.dropout(image, 0.5, kind) for _ in range(2)])
    sampled = keras.Model(image, both)
    assert dropout.sample(sampled) == 2

    def samples(seed: int) -> np.ndarray:
        dropout.reseed(sampled, seed)
        return np.stack([sampled(IMAGES, training=False) for _ in range(2)])

    found = samples(0)
    np.testing.assert_array_equal(samples(0), found)
    assert np.any(found[0] != found[1])
    assert np.any(found[:, 0] != found[:, 1])
    assert np.any(samples(1) != found)


def test_spatial_dropout_drops_whole_channels():
    kept = np.asarray(network("spatial")(IMAGES, training=True)) != 0
    np.testing.assert_array_equal(kept.any((1, 2)), kept.all((1, 2)))


def test_behind_a_dense_layer_there_is_no_channel_to_drop():
    features = keras.Input((7,))
    assert dropout.dropout(features, 0.5, "spatial").shape == (None, 7)


def test_no_rate_is_no_layer():
    image = keras.Input((2, 2, 1))
    assert dropout.dropout(image, 0.0) is image
    assert dropout.sample(keras.Model(image, keras.layers.Flatten()(image))) == 0


@pytest.mark.parametrize(
    ("rate", "kind", "words"),
    [(1.0, "plain", "from 0 to less than 1"), (-0.1, "plain", "-0.1"), (0.0, "beta", "'beta'")],
)
def test_a_wrong_option_is_refused(rate, kind, words):
    with pytest.raises(UserError, match=words):
        dropout.dropout(keras.Input((3,)), rate, kind)
