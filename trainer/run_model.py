"""The network of a run, with the weights that it is trained from."""

from collections.abc import Iterable

import keras
import numpy as np

from headrace.errors import UserError
from models import classifier, registry
from models.layers.normalization import Normalization
from trainer import run_dir
from trainer.config.run import RunConfig


def build(config: RunConfig, mean_image: np.ndarray | None = None) -> keras.Model:
    """Build the network of a run.

    Args:
        config: configuration of the run.
        mean_image: float32, 0 to 255, of the input's shape; where the run subtracts one.

    Returns:
        What `models.classifier.build` returns.
    """
    return classifier.build(
        config.input_shape,
        len(config.dataset.classes),
        model=config.model.name,
        options=config.model.options,
        normalization=_normalization(config, mean_image),
        mixed_precision=config.model.mixed_precision,
    )


def initial_weights(
    config: RunConfig,
    network: keras.Model,
    batches: Iterable[np.ndarray],
    mean_image: np.ndarray | None = None,
) -> list[tuple[keras.Variable, np.ndarray]]:
    """Compute the weights that the network of a new run takes from its training images.

    Args:
        config: configuration of the run.
        network: what `build` returned.
        batches: training images, uint8 `[batch, rows, columns, channels]`.
        mean_image: as for `build`.

    Returns:
        What `models.classifier.initial_weights` returns.
    """
    normalization = _normalization(config, mean_image)
    return classifier.initial_weights(
        network, batches, model=config.model.name, normalization=normalization
    )


def build_from_run_dir(config: RunConfig, workdir: str) -> keras.Model:
    """Build the network of a run that has begun, with the mean image of its run directory.

    Raises:
        UserError: it subtracts a mean image, and the run has not written that yet.
    """
    mean_image = run_dir.read_mean_image(workdir)
    if config.model.normalization == "mean_image" and mean_image is None:
        raise UserError(
            f"{workdir} has no {run_dir.MEAN_IMAGE} yet; train with `python -m trainer.task`, "
            "which writes it"
        )
    return build(config, mean_image)


def _normalization(config: RunConfig, mean_image: np.ndarray | None) -> Normalization:
    return Normalization(
        config.model.normalization or registry.normalization(config.model.name),
        config.dataset.mean,
        config.dataset.std,
        mean_image,
    )
