"""Plots how long the vector of all weights is: TensorBoard's `weight_norm`."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Periodic


@dataclasses.dataclass
class PlotWeightNorm(Periodic):
    """Plots the Euclidean norm of the trainable weights, which grows where a rate is too high.

    Attributes:
        plot: function of step, split and values.
    """

    plot: Callable[[int, str, dict[str, float]], None]

    def __call__(self, state: TrainState) -> None:
        """Plot the norm at this step."""
        weights = [variable.value for variable in state.model.trainable_variables]
        norm = tf.linalg.global_norm([tf.cast(weight, tf.float32) for weight in weights])
        self.plot(state.step, "train", {"weight_norm": float(norm)})
