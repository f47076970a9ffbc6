"""What a network costs."""

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
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    graph = call.get_concrete_function(image).graph
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
