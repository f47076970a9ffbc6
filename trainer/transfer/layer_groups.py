"""The layers of a network in groups from its head down to its stem, as transfer thaws them.

    layer_groups(model)     # {"head": [logits], "stage4": [conv, …], …, "stem": [conv]}

Convolutions that see the same number of pixels are a group: `stem` the most, then `stage1`,
`stage2`, …; `dense` are the layers behind them, `head` the last one.
"""

import keras

from models.layers.leaf_layers import leaf_layers


def layer_groups(model: keras.Model) -> dict[str, list[keras.Layer]]:
    """Return the layers of a network that can train, in groups from the head down.

    Args:
        model: network whose layers have one output each; networks in it are opened.
    """
    layers = list(leaf_layers(model))
    by_pixels: dict[int, list[keras.Layer]] = {}
    pixels = 0
    for layer in reversed(layers):
        # The most that any layer sees from here on: within a stage, squeeze-and-excitation comes
        # down to one pixel and back.
        pixels = max(pixels, _pixels(layer))
        if layer.trainable_weights:
            by_pixels.setdefault(pixels, []).insert(0, layer)
    ascending = [by_pixels[pixels] for pixels in sorted(by_pixels)]
    behind = ascending.pop(0) if 0 in by_pixels else []
    groups = {"head": behind[-1:], "dense": behind[:-1]}
    for number, group in zip(range(len(ascending) - 1, -1, -1), ascending, strict=True):
        groups[f"stage{number}" if number else "stem"] = group
    return {name: group for name, group in groups.items() if group}


def _pixels(layer: keras.Layer) -> int:
    shape = layer.output.shape
    return shape[1] * shape[2] if len(shape) == 4 else 0
