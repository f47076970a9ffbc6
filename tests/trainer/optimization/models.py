"""A small model, and steps of its optimizer on gradients at random."""

import keras
import numpy as np
import tensorflow as tf

from tests.trainer.configs import with_values
from trainer.config.run import RunConfig
from trainer.optimization import optimizers


def model_and(optimizer) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer.build(model.trainable_variables)
    return model, optimizer


def step(model, optimizer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimizer.apply([tf.constant(rng.normal(size=v.shape), "float32") for v in model.weights])


def two_layers(**values) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """A model of the layers `one` and `two`, and the optimizer of a run with these values."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    one, two = keras.layers.Dense(4, name="one"), keras.layers.Dense(2, name="two")
    model = keras.Model(inputs, two(one(inputs)))
    return model, optimizers.build(with_values(RunConfig(), **values), model)


def make_step(model, optimizer, variables=None):
    """A step down `sum(w²)/2` of all weights, whose gradient is w."""
    variables = variables or model.trainable_variables

    @tf.function
    def step() -> None:
        scaled = [optimizer.scale_loss(tf.convert_to_tensor(v)) for v in variables]
        optimizer.apply(scaled, variables)

    return step


def descend(model, optimizer, steps: int, variables=None) -> list[list[np.ndarray]]:
    """Take such steps; the weights after each."""
    take_step, found = make_step(model, optimizer, variables), []
    for _ in range(steps):
        take_step()
        found.append(model.get_weights())
    return found
