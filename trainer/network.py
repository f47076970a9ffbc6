"""The trained network: uint8 pixels in, logits out. Casting and normalising are its first layer."""

import keras

import models
from models.normalization import normalise
from trainer.config import RunConfig


def build(config: RunConfig) -> keras.Model:
    """Puts the dataset's normalisation in front of the model.

    Returns:
        A Keras model from uint8 `[batch, rows, columns, channels]` to float32 logits
        `[batch, classes]`. The channel means and standard deviations of the training split are
        constants in it, so a served model cannot be given others.
    """
    pixels = keras.Input(config.input_shape, dtype="uint8", name="image")
    normalised = normalise(pixels, "channel", mean=config.mean, std=config.std)
    body = models.build(
        config.model, config.input_shape, len(config.classes), **config.model_options
    )
    return keras.Model(pixels, body(normalised), name=config.model)
