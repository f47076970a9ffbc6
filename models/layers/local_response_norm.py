"""Normalisation of a channel by its neighbours."""

import keras
import tensorflow as tf


class LocalResponseNormalization(keras.layers.Layer):
    """Divides by `(1 + alpha / 5 * sum of squares of 5 neighbouring channels) ** 0.75`, as AlexNet
    and GoogLeNet did (Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep
    Convolutional Neural Networks, NIPS 2012, in the form that Caffe gave it)."""

    def __init__(self, alpha: float = 1e-4, **options) -> None:
        """Make the layer.

        Args:
            alpha: weight of the mean of squares.
            **options: of the layer, such as its name.
        """
        super().__init__(**options)
        self.alpha = alpha

    def call(self, inputs):
        """Normalise `[batch, rows, columns, channels]`; 16 bits are too few for the sum."""
        images = tf.cast(inputs, tf.float32)
        normalised = tf.nn.local_response_normalization(
            images, depth_radius=2, bias=1.0, alpha=self.alpha / 5, beta=0.75
        )
        return tf.cast(normalised, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the input."""
        return input_shape
