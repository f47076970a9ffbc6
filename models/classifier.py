"""A classifier: uint8 pixels in, logits out. Casting and normalising are its first layers."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import keras
import numpy as np

from models import registry
from models.layers.normalization import Normalization, normalise


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    model: str,
    normalization: Normalization,
    options: Mapping[str, object] | None = None,
    mixed_precision: str = "none",
) -> keras.Model:
    """Put a normalisation in front of a model.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        model: one of `registry.names()`.
        normalization: what comes before the model. Its numbers are constants of the network, so a
            served one cannot be given others.
        options: options of the model, see `registry.options`.
        mixed_precision: `none`, `bfloat16` or `float16`, which the model computes in wherever it
            runs, so that what is served is what was evaluated.

    Returns:
        A Keras model from uint8 `[batch, rows, columns, channels]` to float32 logits
        `[batch, classes]`.

    Raises:
        UserError: there is no such model, option or normalisation, or it cannot take this shape.
    """
    pixels = keras.Input(input_shape, dtype="uint8", name="image")
    normalised = normalise(pixels, normalization)
    with dtype_policy(mixed_precision):
        logits = registry.build(model, input_shape, classes, **(options or {}))(normalised)
    if mixed_precision != "none":
        logits = keras.ops.cast(logits, "float32")
    return keras.Model(pixels, logits, name=model.rpartition("/")[2])


def initial_weights(
    network: keras.Model, batches: Iterable[np.ndarray], *, model: str, normalization: Normalization
) -> list[tuple[keras.Variable, np.ndarray]]:
    """Compute the weights that a new run takes from its training images, see `models.registry`.

    Args:
        network: what `build` returned.
        batches: training images, uint8 `[batch, rows, columns, channels]`; read only if the model
            has such weights.
        model: as it was given to `build`.
        normalization: likewise.

    Returns:
        Variables of the network, each with its value.
    """
    (inner,) = (layer for layer in network.layers if isinstance(layer, keras.Model))

    def normalised() -> Iterator[np.ndarray]:
        pixels = keras.Input(network.input_shape[1:], dtype="uint8")
        first_layers = keras.Model(pixels, normalise(pixels, normalization))
        for images in batches:
            yield np.asarray(first_layers(images))

    return registry.initial_weights(model, inner, normalised())


@contextlib.contextmanager
def dtype_policy(mixed_precision: str) -> Iterator[None]:
    """Make layers meanwhile that compute in `bfloat16`, `float16` or, for `none`, float32; their
    weights are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        "float32" if mixed_precision == "none" else f"mixed_{mixed_precision}"
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
