"""The layers of a network, those of networks in it in their place."""

from collections.abc import Iterator

import keras


def leaf_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a network, and of networks in it, in the order of computation."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer)
        else:
            yield layer
