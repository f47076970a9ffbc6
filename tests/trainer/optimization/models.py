"""A small model, and steps of its optimizer on gradients at random."""

import keras
import numpy as np
import tensorflow as tf


def model_and(optimizer) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer.build(model.trainable_variables)
    return model, optimizer


def step(model, optimizer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimizer.apply([tf.constant(rng.normal(size=v.shape), "float32") for v in model.weights])
