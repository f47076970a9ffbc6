"""The trained network: uint8 pixels in, logits out. Casting and normalising are its first layer."""

import keras
import numpy as np

import models
from models.normalization import normalise
from trainer import checkpoints, run_dir
from trainer.config import RunConfig


def restore(config: RunConfig, workdir: str, which: str) -> tuple[keras.Model, int]:
    """The network of a run, with the weights of its `latest` or `best` checkpoint, and their step.

    Raises:
        UserError: there is no such checkpoint, or it does not fit the run's config.
    """
    model = build(config, run_dir.read_mean_image(workdir))
    return model, checkpoints.restore_model(workdir, model, which)


def build(config: RunConfig, mean_image: np.ndarray | None = None) -> keras.Model:
    """Puts the dataset's normalisation in front of the model.

    Args:
        config: of the run.
        mean_image: float32, of the input's shape; where the config's normalization wants one.

    Returns:
        A Keras model from uint8 `[batch, rows, columns, channels]` to float32 logits
        `[batch, classes]`. The channel means and standard deviations of the training split are
        constants in it, as is the mean image, so a served model cannot be given others.
    """
    pixels = keras.Input(config.input_shape, dtype="uint8", name="image")
    normalised = normalise(
        pixels, config.normalization, mean=config.mean, std=config.std, image=mean_image
    )
    body = models.build(
        config.model, config.input_shape, len(config.classes), **config.model_options
    )
    return keras.Model(pixels, body(normalised), name=config.model)
