"""Normalisation, model and precision put together."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UsageError, UserError
from models import classifier
from models.layers.normalization import Normalization

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
CHANNEL = Normalization("channel", [10.0, 120.0, 200.0], [50.0, 60.0, 0.5])
SMALL = {"stages": (1, 1), "filters": (4, 4, 8)}


def build(normalization: Normalization = CHANNEL, **changes) -> keras.Model:
    """Build a small network for `PIXELS`, the same weights each time."""
    keras.utils.set_random_seed(5)
    arguments = {"model": "resnet_cifar", "options": SMALL, **changes}
    return classifier.build((8, 6, 3), 5, normalization=normalization, **arguments)


def test_it_is_the_model_behind_the_normalisation():
    network = build()
    assert network.name == "resnet_cifar"
    assert network.inputs[0].dtype == "uint8"
    assert network.output_shape == (None, 5)
    body = network.layers[-1]
    normalised = (PIXELS.astype(np.float64) - CHANNEL.mean) / CHANNEL.std
    expected = body(tf.constant(normalised, tf.float32), training=False)
    np.testing.assert_allclose(network(PIXELS, training=False), expected, rtol=1e-4, atol=1e-5)


def test_a_mean_image_is_part_of_the_network():
    mean_image = PIXELS.mean(0).astype(np.float32)
    network = build(Normalization("mean_image", mean_image=mean_image))
    (layer,) = (each for each in network.layers if isinstance(each, keras.layers.Normalization))
    np.testing.assert_array_equal(layer.mean[0], mean_image)


@pytest.mark.parametrize("precision", ["none", "bfloat16", "float16"])
def test_layers_compute_as_asked_and_weights_and_logits_are_of_32_bits(precision):
    network = build(mixed_precision=precision)
    body = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    computed = {layer.compute_dtype for layer in body.layers if layer.weights}
    assert computed == {"float32" if precision == "none" else precision}
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network(PIXELS).dtype == tf.float32
    for ours, full in zip(network.get_weights(), build().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, full)


@pytest.mark.parametrize("fails", [False, True])
def test_the_policy_of_others_stays(fails):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        if fails:
            with pytest.raises(UserError, match="of at least 4×4"):
                classifier.build(
                    (1, 1, 3), 5, model="resnet_cifar", options=SMALL, normalization=CHANNEL
                )
        else:
            build(mixed_precision="float16")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "perceptron"}, "unknown model 'perceptron'"),
        ({"options": {"depth": 3}}, "resnet_cifar has no option 'depth'"),
        ({"normalization": Normalization("l2")}, "unknown normalisation 'l2'"),
    ],
)
def test_what_there_is_not_is_refused(changes, words):
    with pytest.raises(UsageError) as error:
        build(**changes)
    assert words in str(error.value)
