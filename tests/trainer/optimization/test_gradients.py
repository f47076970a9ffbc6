"""Gradients of batches that are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from trainer.config.optimization import OptimizationConfig
from trainer.optimization import gradients, losses

BATCH = {"image": np.eye(4, 3, dtype="f4"), "label": np.array([0, 1, 2, 1])}


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(2)
    layer = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))
    return keras.Sequential([keras.Input((3,)), layer])


def test_gradients_of_the_parts_add_up_to_that_of_the_batch(model):
    """The penalty of the weights counts once."""
    optimizer = keras.optimizers.SGD()
    loss_fn = losses.make_loss_fn(OptimizationConfig())
    whole, sums = gradients.make_gradient_fn(model, optimizer, loss_fn, 4, parts=1)(BATCH)
    of_part = gradients.make_gradient_fn(model, optimizer, loss_fn, 4, parts=2)
    halves = [{name: each[i : i + 2] for name, each in BATCH.items()} for i in (0, 2)]
    (one, first), (other, second) = map(of_part, halves)
    for total, *parts in zip(whole, one, other, strict=True):
        np.testing.assert_allclose(total, sum(parts), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(sums, first + second, rtol=1e-6)


@pytest.mark.parametrize("clip_norm", [0.0, 1.0, 100.0])
def test_a_gradient_is_scaled_down_to_the_norm_where_it_is_longer(clip_norm):
    local = [tf.constant([3.0, 0.0]), tf.constant([[4.0]])]
    found = gradients.reduce_and_clip(local, keras.optimizers.SGD(), clip_norm)
    scale = 0.2 if clip_norm == 1 else 1
    for one, each in zip(found, local, strict=True):
        np.testing.assert_allclose(one, each * scale, rtol=1e-6)


def test_a_layer_that_sums_over_replicas_is_not_compiled_for_several():
    inner = keras.Sequential([keras.layers.BatchNormalization(synchronized=True)])
    model = keras.Sequential([keras.Input((3,)), inner], name="net")
    gradients.check_compiles(model, replicas=1)
    with pytest.raises(UserError, match="XLA cannot compile net for 2 replicas"):
        gradients.check_compiles(model, replicas=2)
