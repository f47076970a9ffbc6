"""What a network is made of, as rows of a table: its layers in order, with what each costs.

    print(describe(model))

The operations between layers, such as the cast of pixels, have rows as well.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import keras

from models import cost

_HEADER = ("layer", "kind", "output", "parameters", "FLOPs")


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """A layer of a network, or an operation between layers.

    Attributes:
        depth: networks that it lies in, beside the whole one.
        name: its name in its network.
        kind: its class.
        shape: shape of its output for one image; of several outputs, that of the first.
        parameters: number of its weights, trainable or not; of a network in the network, of all
            its layers.
        flops: floating-point operations for one image in prediction, see `models.cost.flops`.
    """

    depth: int
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    flops: int


def describe(model: keras.Model) -> str:
    """Return the table of a network's layers, and under it what they come to."""
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return (
        f"{format_rows(rows(model))}\n\n{model.count_params():,} parameters, {trainable:,} of them "
        f"trainable; {cost.flops(model):,} FLOPs for an image"
    )


def rows(model: keras.Model) -> list[LayerRow]:
    """Return the layers of a network in their order; behind a network in it come its layers."""
    layers = [layer for _, layer in _walk(model, 0) if _is_single(layer)]
    flops = dict(zip(map(id, layers), cost.layer_flops(layers), strict=True))
    return [
        LayerRow(
            depth=depth,
            name=layer.name,
            kind=layer.__class__.__name__,
            shape=output_shape(layer),
            parameters=layer.count_params() if isinstance(layer, keras.Layer) else 0,
            flops=sum(flops.get(id(each), 0) for each in (layer, *all_layers(layer))),
        )
        for depth, layer in _walk(model, 0)
        if not (depth and _is_input(layer))  # it stands for the output of the layer before
    ]


def all_layers(layer: keras.Operation) -> list[keras.Operation]:
    """Return the layers of a network in their order, and the operations between them; behind a
    network in it come its own. A layer that is no network has none."""
    return [each for _, each in _walk(layer, 0)]


def output_shape(layer: keras.Operation) -> tuple[int, ...]:
    """Return the shape of what a layer of a network gives for one image; of several outputs, that
    of the first."""
    return tuple(keras.tree.flatten(layer.output)[0].shape[1:])


def _walk(layer: keras.Operation, depth: int) -> Iterator[tuple[int, keras.Operation]]:
    """Yield the layers in a layer, and the networks that each lies in beside this one."""
    # Only of these two can layers be told apart, and only a function has operations between them.
    inner = layer.operations if isinstance(layer, keras.Function) else ()
    for each in layer.layers if isinstance(layer, keras.Sequential) else inner:
        yield depth, each
        yield from _walk(each, depth + 1)


def _is_single(layer: keras.Operation) -> bool:
    """Return whether a layer computes something by itself."""
    return not (_is_input(layer) or all_layers(layer))


def _is_input(layer: keras.Operation) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def format_rows(rows: Sequence[LayerRow]) -> str:
    """Return rows as a table of text; a layer in a network in the network is indented."""
    cells = [
        (
            "  " * row.depth + row.name,
            row.kind,
            format_shape(row.shape),
            f"{row.parameters:,}",
            f"{row.flops:,}",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEADER, *cells, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "\n".join(_line(line, widths) for line in (_HEADER, rule, *cells))


def format_shape(shape: Sequence[int | None]) -> str:
    """Return `28×28×6`; a size that is open is `?`."""
    return "×".join("?" if size is None else str(size) for size in shape)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return cells side by side, numbers to the right."""
    texts = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "  ".join((*texts, *numbers))
