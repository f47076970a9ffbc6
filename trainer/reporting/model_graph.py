"""A network drawn as a graph, by Keras, pydot and Graphviz.

    picture = draw(model, "png")

Keras says which layers are joined, and Graphviz where they lie.
"""

import html
from collections.abc import Iterator

import keras

from headrace.errors import UserError
from trainer.reporting import model_summary

_INSTALL_PYDOT = "pip install 'headrace[graph]'"
_SPACING: dict[str, object] = {"concentrate": False, "ranksep": 0.2, "nodesep": 0.2}
_BOX: dict[str, object] = {
    "shape": "box",
    "style": "filled",
    "fillcolor": "#eef3f8",
    "fontname": "Helvetica",
    "fontsize": 11,
    "height": 0.25,
    "margin": "0.1,0.03",
}


def draw(model: keras.Model, file_format: str) -> bytes:
    """Draw the layers of a network from top to bottom, a network in it as a frame around its own.

    Args:
        model: a network.
        file_format: `png` or `jpeg`.

    Returns:
        The bytes of a file of this format.

    Raises:
        UserError: pydot or Graphviz is not installed.
    """
    try:
        graph = keras.utils.model_to_dot(model, expand_nested=True, dpi=96, splines="polyline")
    except ImportError:
        raise UserError(
            f"the picture needs pydot, which is not installed: {_INSTALL_PYDOT}"
        ) from None
    _compact(graph, model)
    try:
        return graph.create(format=file_format)
    except FileNotFoundError:
        raise UserError(
            "the picture needs Graphviz, and there is no program dot: install graphviz, for "
            "example by apt-get install graphviz or brew install graphviz"
        ) from None


def _compact(graph, model: keras.Model) -> None:
    """Give each layer one line of text in a low box.

    The boxes of Keras are four times as high: of 700 layers, they make Graphviz, which draws 32,767
    pixels at most, scale the picture down until nothing can be read.
    """
    for name, value in _SPACING.items():
        graph.set(name, value)
    layers = {str(id(layer)): layer for layer in model_summary.all_layers(model)}
    for node in _nodes(graph):
        layer = layers.get(node.get_name())
        if layer is not None:  # the others are defaults for all nodes
            node.set("label", _label(layer))
            for name, value in _BOX.items():
                node.set(name, value)


def _nodes(graph) -> Iterator:
    yield from graph.get_nodes()
    for frame in graph.get_subgraphs():
        yield from _nodes(frame)


def _label(layer: keras.Operation) -> str:
    """Return name, kind and output shape as Graphviz has text with markup."""
    shape = model_summary.format_shape(model_summary.output_shape(layer))
    name, kind = html.escape(layer.name), html.escape(layer.__class__.__name__)
    return f"<<b>{name}</b>  {kind}  <font color='#1f4e79'>{shape}</font>>"
