"""The network of a run, with the weights that it is trained from."""

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
        normalization=Normalization(
            config.model.normalization or registry.normalization(config.model.name),
            config.dataset.mean,
            config.dataset.std,
            mean_image,
        ),
        mixed_precision=config.model.mixed_precision,
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
