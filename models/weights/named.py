"""Weights by their names: how they pass from one network to another that shares layers with it.

fresh = assign(target, values(source))      # names of the weights that found none
"""

import re
from collections import Counter
from collections.abc import Mapping

import keras
import numpy as np

from headrace.errors import UserError
from models.layers.leaf_layers import leaf_layers


def by_name(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the weights of a network, moving averages among them, as `LAYER/VARIABLE`.

    Keras counts layers without a name of their own over all networks of a process; here they are
    counted within their network, as `conv2d#2`.
    """
    counts: Counter[str] = Counter()
    found: dict[str, keras.Variable] = {}
    for layer in leaf_layers(model):
        name = layer.name
        if kind := _automatic_name(layer):
            name = f"{kind}#{counts[kind]}"
            counts[kind] += 1
        for variable in layer.weights:
            found[f"{name}/{variable.path.rpartition(f'{layer.name}/')[2]}"] = variable
    return found


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """Return what the weights of a network are, by names as `by_name` makes them."""
    return {name: variable.numpy() for name, variable in by_name(model).items()}


def assign(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Give a network the values whose names and shapes are those of its weights.

    Args:
        model: network.
        arrays: values, by names as `by_name` makes them.

    Returns:
        Names of the weights of the network that there is no value for, and that stay as they are.

    Raises:
        UserError: there is a value for none of them but biases and other vectors.
    """
    fresh, has_kernel = [], False
    for name, variable in by_name(model).items():
        value = arrays.get(name)
        if value is None or value.shape != tuple(variable.shape):
            fresh.append(name)
        else:
            variable.assign(value)
            has_kernel |= len(variable.shape) > 1
    if not has_kernel:
        theirs, ours = ", ".join([*arrays][:3]) or "none", ", ".join(fresh[:3])
        raise UserError(
            f"{model.name} has no kernel of the same name and shape as one of them ({theirs}, …; "
            f"its own are {ours}, …); name weights of a network with the same layers"
        )
    return fresh


def _automatic_name(layer: keras.Layer) -> str:
    """Return what Keras counts such layers by; nothing for a layer with a name of its own."""
    kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    kind = re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
    return kind if re.fullmatch(rf"{kind}(_\d+)?", layer.name) else ""
