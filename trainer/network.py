"""The trained network: uint8 pixels in, logits out. Casting and normalising are its first layer."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from headrace.errors import UserError
from models import registry
from models.layers.normalization import normalise
from trainer import run_dir
from trainer.checkpoints import manager
from trainer.config.run import RunConfig
from trainer.optimization import optimizers


def restore(
    config: RunConfig, workdir: str, which: str, average: bool = False
) -> tuple[keras.Model, int]:
    """The network of a run, with the weights of its `latest` or `best` checkpoint, and their step.

    Args:
        config: of the run.
        workdir: the run directory.
        which: `latest` or `best`.
        average: the moving average of the weights, of a run that was trained with one.

    Raises:
        UserError: there is no such checkpoint, or it does not fit the run's config.
    """
    model = of_run(config, workdir)
    if not average:
        return model, manager.restore_model(workdir, model, which)
    optimizer = optimizers.of(config, model)
    step = manager.restore_model(workdir, model, which, optimizer=optimizer)
    optimizer.finalize_variable_values(model.trainable_variables)
    return model, step


def of_run(config: RunConfig, workdir: str) -> keras.Model:
    """The network of a run, untrained.

    Raises:
        UserError: it subtracts a mean image, and the run has not written that yet.
    """
    mean_image = run_dir.read_mean_image(workdir)
    if config.normalization == "mean_image" and mean_image is None:
        raise UserError(
            f"{workdir} has no {run_dir.MEAN_IMAGE} yet; train with `python -m trainer.task`, "
            "which writes it"
        )
    return build(config, mean_image)


def build(config: RunConfig, mean_image: np.ndarray | None = None) -> keras.Model:
    """Puts the dataset's normalisation in front of the model.

    Args:
        config: of the run.
        mean_image: float32, of the input's shape; where the config's normalization wants one.

    Returns:
        A Keras model from uint8 `[batch, rows, columns, channels]` to float32 logits
        `[batch, classes]`. The channel means and standard deviations of the training split are
        constants in it, as is the mean image, so a served model cannot be given others. Between
        the two it computes in the config's `mixed_precision`, wherever it runs: what is served is
        what was evaluated.
    """
    pixels = keras.Input(config.input_shape, dtype="uint8", name="image")
    normalised = normalise(
        pixels, config.normalization, mean=config.mean, std=config.std, image=mean_image
    )
    with policy(config.mixed_precision):
        body = registry.build(
            config.model, config.input_shape, len(config.classes), **config.model_options
        )
        logits = body(normalised)
    if config.mixed_precision != "none":
        logits = keras.ops.cast(logits, "float32")
    return keras.Model(pixels, logits, name=config.model)


@contextlib.contextmanager
def policy(mixed_precision: str) -> Iterator[None]:
    """Layers made meanwhile compute in `bfloat16` or `float16`, or else in float32; their weights
    are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        "float32" if mixed_precision == "none" else f"mixed_{mixed_precision}"
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
