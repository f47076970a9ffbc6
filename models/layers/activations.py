"""Activations by name: all of Keras's, and two that have weights or chance of their own."""

import keras

from headrace.errors import UserError

_OF_LAYERS = ("prelu", "rrelu", "gelu_tanh")


def layer(activation: str, **options) -> keras.Layer:
    """Make an activation.

    Args:
        activation: any of Keras, such as `relu`, `elu`, `selu`, `gelu`, `silu` (also called
            `swish`), `mish`, `leaky_relu`, `softplus`, `tanh`; or `prelu`, with a trainable slope
            of each channel (He, Zhang, Ren and Sun, Delving Deep into Rectifiers, ICCV 2015);
            `rrelu`, see `RandomizedReLU`; or `gelu_tanh`, which is GELU but for 0.0005, in less
            time and of operations that other runtimes have.
        **options: of the layer, such as its name.

    Raises:
        UserError: there is none of this name.
    """
    if activation == "prelu":
        return _SharedPReLU(**options)
    if activation == "rrelu":
        return RandomizedReLU(**options)
    if activation == "gelu_tanh":
        return keras.layers.Activation(_gelu_tanh, **options)
    try:
        function = keras.activations.get(activation)
    except ValueError:
        raise UserError(
            f"unknown activation {activation!r}; there are {', '.join(_OF_LAYERS)} and those of "
            "Keras, such as relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, tanh, sigmoid"
        ) from None
    return keras.layers.Activation(function, **options)


def _gelu_tanh(x):
    return keras.activations.gelu(x, approximate=True)


class RandomizedReLU(keras.layers.Layer):
    """A leaky ReLU whose slope below 0 is drawn for each value in training, from 1/8 to 1/3, and is
    their mean otherwise (Xu, Wang, Chen and Li, Empirical Evaluation of Rectified Activations in
    Convolutional Network, 2015)."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, **options) -> None:
        """Make the layer.

        Args:
            lower: the least slope.
            upper: the largest slope.
            **options: of the layer, such as its name.
        """
        super().__init__(**options)
        self.lower, self.upper = lower, upper
        self._seeds = keras.random.SeedGenerator()

    def call(self, inputs, training: bool = False):
        """Compute `x` where it is positive, else `slope * x`; the shape stays."""
        slope = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                keras.ops.shape(inputs), self.lower, self.upper, inputs.dtype, self._seeds
            )
        return keras.ops.where(inputs >= 0, inputs, slope * inputs)

    def compute_output_shape(self, input_shape):
        """Return the shape of the input."""
        return input_shape


class _SharedPReLU(keras.layers.PReLU):
    """A PReLU with one slope for a channel, wherever in the image."""

    def build(self, input_shape) -> None:
        """Make the slopes, `[channels]`, at 0.25 as in the paper."""
        self.shared_axes = list(range(1, len(input_shape) - 1))
        self.alpha_initializer = keras.initializers.Constant(0.25)
        super().build(input_shape)
