"""`warm_start_epochs`: weights from a few epochs that can fit nothing closely, to train from.

They point in the right direction and are too general for a poor local optimum (one-shot weight
initialisation, also called domain transfer).
"""

import dataclasses

import keras

from headrace.errors import UserError
from models.layers.leaf_layers import leaf_layers

# What is dropped in these epochs: three values of four.
RATE = 0.75

_KINDS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
)


@dataclasses.dataclass(frozen=True)
class HeavyDropout:
    """Dropout that is high at first.

    Attributes:
        end: step from which it is what the model asks for.
        rates: layers of dropout, and the rate that the model asks for.
    """

    end: int
    rates: list[tuple[keras.Layer, float]]

    def apply(self, step: int) -> None:
        """Give each layer the rate that it has at a step."""
        for layer, rate in self.rates:
            layer.rate = max(rate, RATE) if step < self.end else rate


def make_heavy_dropout(model: keras.Model, end: int) -> HeavyDropout:
    """Make it for a network.

    Args:
        model: network, with the rates that it asks for.
        end: step at which it ends; 0 for none.

    Raises:
        UserError: it has no dropout.
    """
    rates = [(layer, layer.rate) for layer in leaf_layers(model) if isinstance(layer, _KINDS)]
    if end and not rates:
        raise UserError(
            f"`warm_start_epochs`: {model.name} has no dropout that could be higher; give it some, "
            "as with `model_options`=dropout=0.1, or leave them out"
        )
    return HeavyDropout(end, rates if end else [])
