"""On one replica; that several agree with it is held by `tests/trainer/test_replicas.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.batch_norm import GlobalBatchNormalization

OPTIONS = {"epsilon": 2e-5, "momentum": 0.9}


def in_training(layer: keras.Layer, images: tf.Tensor, weights: tf.Tensor) -> list[np.ndarray]:
    """Outputs, gradients with respect to images, scale and shift, and the moving statistics."""
    layer.build(images.shape)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(weights * outputs)
    scale, shift = layer.trainable_variables
    gradients = tape.gradient(loss, [images, scale.value, shift.value])
    return [each.numpy() for each in (outputs, *gradients, *layer.non_trainable_variables)]


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (8, 7)])
def test_a_step_is_that_of_keras(shape):
    rng = np.random.default_rng(1)
    images, weights = (tf.constant(rng.normal(2, 3, shape), tf.float32) for _ in range(2))
    expected = in_training(keras.layers.BatchNormalization(**OPTIONS), images, weights)
    found = in_training(GlobalBatchNormalization(**OPTIONS), images, weights)
    assert len(found) == 6
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_statistics_of_16_bit_values_are_of_32_bits():
    layer = GlobalBatchNormalization(dtype="mixed_bfloat16")
    values = np.random.default_rng(2).normal(100, 1, (64, 4)).astype(np.float32)
    outputs = layer(tf.cast(values, tf.bfloat16), training=True)
    assert outputs.dtype == tf.bfloat16
    assert layer.moving_mean.dtype == "float32"
    exact = tf.cast(tf.cast(values, tf.bfloat16), tf.float32).numpy().mean(0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.01 * exact, rtol=1e-5)
