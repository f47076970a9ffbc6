"""Weights that a new run takes from its training images, for models that have such."""

from typing import TYPE_CHECKING

import numpy as np

from trainer import run_model

if TYPE_CHECKING:
    from trainer.checkpoints.train_state import TrainState
    from trainer.loop.start import Run


def load(run: "Run", state: "TrainState", mean_image: np.ndarray | None) -> None:
    """Give a new run's network the weights that are made of its training images.

    Args:
        run: run.
        state: its state, as it was made.
        mean_image: see `run_model.build`.

    Raises:
        UserError: an image cannot be read.
    """
    weights = run_model.initial_weights(run.config, state.model, run.data.sample(), mean_image)
    for variable, value in weights:
        # All have computed it, of the same images; but another processor may round another way.
        variable.assign(run.collectives.broadcast(value))
