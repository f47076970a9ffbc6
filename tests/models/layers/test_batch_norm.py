"""On one replica; that several agree with it is held by `tests/trainer/test_replicas.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.layers.batch_norm import GlobalBatchNormalization

SHAPES = [(6, 5, 4, 3), (16, 8, 8, 1), (4, 3, 3, 16), (8, 7)]


def in_training(layer: keras.Layer, images: tf.Tensor, weights: tf.Tensor) -> list[np.ndarray]:
    """Return outputs, gradients (images, scale and shift) and the moving statistics."""
    layer.build(images.shape)
    *scales, shift = layer.trainable_variables
    for scale in scales:
        scale.assign(np.linspace(0.5, 2, scale.shape[0]))
    shift.assign(np.linspace(-1, 3, shift.shape[0]))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(weights * outputs)
    gradients = tape.gradient(loss, [images, *(v.value for v in layer.trainable_variables)])
    return [each.numpy() for each in (outputs, *gradients, *layer.non_trainable_variables)]


# The fused operation has no epsilon below 1e-5: with one it is computed as of several replicas.
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("epsilon", [2e-5, 1e-6])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_is_that_of_keras(shape, epsilon, scale):
    rng = np.random.default_rng(1)
    images, weights = (tf.constant(rng.normal(2, 3, shape), tf.float32) for _ in range(2))
    options = {"epsilon": epsilon, "momentum": 0.9, "scale": scale}
    expected = in_training(keras.layers.BatchNormalization(**options), images, weights)
    actual = in_training(GlobalBatchNormalization(**options), images, weights)
    assert len(actual) == 5 + scale
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_outside_training_it_is_keras_with_the_same_averages(shape):
    images = tf.constant(np.random.default_rng(3).normal(2, 3, shape), tf.float32)
    ours, theirs = GlobalBatchNormalization(), keras.layers.BatchNormalization()
    ours(images, training=True)
    theirs.build(shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(images, training=False), theirs(images, training=False))


@pytest.mark.parametrize("shape", [(64, 4), (8, 4, 2, 4)])
def test_statistics_of_16_bit_values_are_of_32_bits(shape):
    layer = GlobalBatchNormalization(dtype="mixed_bfloat16")
    values = np.random.default_rng(2).normal(100, 1, shape).astype(np.float32)
    outputs = layer(tf.cast(values, tf.bfloat16), training=True)
    assert outputs.dtype == tf.bfloat16
    assert layer.moving_mean.dtype == "float32"
    exact = (
        tf.cast(tf.cast(values, tf.bfloat16), tf.float32).numpy().mean(tuple(range(len(shape) - 1)))
    )
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * exact, rtol=1e-5)


def test_a_copy_made_of_its_config_is_the_same():
    layer = GlobalBatchNormalization(epsilon=0.25, momentum=0.5)
    copy = GlobalBatchNormalization.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.epsilon, copy.momentum, copy.synchronized) == (0.25, 0.5, True)


@pytest.mark.parametrize("option", [{"axis": 1}, {"center": False}, {"renorm": True}])
def test_what_it_does_not_compute_is_refused(option):
    with pytest.raises(ValueError, match=r"expected axis=-1, .* use keras"):
        GlobalBatchNormalization(**option)
