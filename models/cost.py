"""What a network costs."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def flops(model: keras.Model) -> int:
    """Count the floating-point operations for one image in prediction, as TensorFlow's profiler
    does: a multiplication and an addition are two.

    Args:
        model: a network of one input `[batch, …]`.
    """
    image = tf.TensorSpec([1, *model.input_shape[1:]], model.input.dtype)
    call = tf.function(lambda pixels: model(pixels, training=False))
    return _profile(call.get_concrete_function(image).graph).total_float_ops


def layer_flops(layers: Sequence[keras.Operation]) -> list[int]:
    """Count the floating-point operations of each of several layers, see `flops`.

    Each is called by itself, all in one graph. In the graph of their network, names do not tell
    the second `conv2d` from `conv2d_1`; and a graph for each layer would take a minute for a deep
    network.

    Args:
        layers: layers, or operations between them, that have been given their inputs; of one that
            stands in several places, the first counts.

    Returns:
        A number for each of them.
    """

    @tf.function(autograph=False)
    def call() -> None:
        for index, layer in enumerate(layers):
            with tf.name_scope(f"layer{index}/"):
                _call_alone(layer)

    counts = dict.fromkeys(range(len(layers)), 0)
    for node in _profile(call.get_concrete_function().graph).children:
        counts[int(node.name.partition("/")[0].removeprefix("layer"))] += node.float_ops
    return list(counts.values())


def _call_alone(layer: keras.Operation) -> None:
    """Call a layer on inputs such as its network gives it, of one image."""
    inputs = {id(each): each for each in keras.tree.flatten(layer.input)}  # x + x has one
    # A placeholder, unlike a constant, takes no memory.
    images = [
        tf.compat.v1.placeholder(each.dtype, [1, *each.shape[1:]]) for each in inputs.values()
    ]
    keras.Model(list(inputs.values()), layer.output)(images, training=False)


def _profile(graph: tf.Graph):
    """Return what TensorFlow's profiler counts in a graph, with an operation for each child."""
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # the profiler warns of a function of TensorFlow's own
    try:
        return tf.compat.v1.profiler.profile(graph, options=options)
    finally:
        logger.setLevel(level)
