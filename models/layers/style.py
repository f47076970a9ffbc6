"""How a network makes its layers: the options that most models share, and layers made by them.

    style = Style(activation="gelu", l2=1e-4, batch_norm="before")
    x = style.conv(x, 64, 3)

A model takes one as its option `style`; the registry offers each of its fields as an option of the
model's own, `--model_options="activation=gelu;l2=0.0001"`.
"""

import dataclasses

from headrace.errors import UserError

_PLACES = ("none", "before", "after")


@dataclasses.dataclass(frozen=True)
class Style:
    """What convolutions and dense layers have in common.

    Attributes:
        activation: see `models.layers.activations`.
        kernel_initializer: any of Keras: `glorot_uniform`, `he_normal`, `lecun_normal`, …
        l1: factor of the L1 regularisation of kernels; 0 for none.
        l2: factor of their L2 regularisation; 0 for none.
        max_norm: the largest norm of the weights of one unit, which the kernel is scaled back to
            after each step (Srivastava et al., Dropout, JMLR 15, 2014); 0 for any.
        batch_norm: its place, `before` or `after` the activation, or `none`.
        bn_epsilon: what is added to its variance.
        bn_momentum: momentum of its moving averages.
        bn_scale: whether it multiplies each channel by a trained factor.
    """

    activation: str = "relu"
    kernel_initializer: str = "glorot_uniform"
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    batch_norm: str = "none"
    bn_epsilon: float = 1e-3
    bn_momentum: float = 0.99
    bn_scale: bool = True

    def conv(
        self,
        x,
        filters: int,
        kernel: int,
        strides: int = 1,
        padding: str = "same",
        *,
        groups: int = 1,
        use_bias: bool = True,
        linear: bool = False,
        pool: int = 1,
        identity: bool = False,
        name: str | None = None,
    ):
        """Convolve, take the maximum if asked to, normalise and activate.

        Args:
            x: a Keras tensor `[batch, rows, columns, channels]`.
            filters: channels of the result.
            kernel: rows and columns of the kernel.
            strides: of rows and columns.
            padding: `same` or `valid`.
            groups: groups of channels, each convolved by itself.
            use_bias: whether a bias is added.
            linear: whether the activation is left out, as before the sum of a residual block.
            pool: rows and columns of which the maximum is handed on; 1 to hand on all of them.
            identity: whether the first filters begin as copies of the channels, see
                `models.layers.partial_identity`.
            name: name of the convolution; what follows it is called after it, `c1_bn` behind `c1`
                and behind `c1_conv`.

        Returns:
            A Keras tensor `[batch, rows, columns, filters]`.
        """
        from keras import layers  # with TensorFlow, takes seconds

        if kernel == 1 and strides > 1:
            # The same as a strided 1×1 convolution. That, for 4 or 8 channels, makes TensorFlow
            # 2.21 write beyond its memory on a CPU: the gradient of the kernel in oneDNN.
            x, strides = layers.MaxPooling2D(1, strides)(x), 1
        convolution = layers.Conv2D(
            filters,
            kernel,
            strides,
            padding,
            groups=groups,
            use_bias=use_bias,
            name=name,
            **self._kernel_options("kernel", axis=[0, 1, 2], identity=identity),
        )
        x = convolution(x)
        x = layers.MaxPooling2D(pool)(x) if pool > 1 else x
        return self._finish(x, linear, name)

    def separable_conv(
        self,
        x,
        filters: int,
        kernel: int,
        padding: str = "same",
        *,
        use_bias: bool = True,
        linear: bool = False,
        name: str | None = None,
    ):
        """Convolve each channel by itself, mix the channels, normalise and activate; see `conv`."""
        from keras import layers

        convolution = layers.SeparableConv2D(
            filters,
            kernel,
            padding=padding,
            use_bias=use_bias,
            name=name,
            **self._kernel_options("depthwise", axis=[0, 1]),
            **self._kernel_options("pointwise", axis=[0, 1, 2]),
        )
        return self._finish(convolution(x), linear, name)

    def depthwise_conv(
        self,
        x,
        kernel: int,
        strides: int = 1,
        padding: str = "same",
        *,
        use_bias: bool = True,
        linear: bool = False,
        name: str | None = None,
    ):
        """Convolve each channel by itself, normalise and activate; see `conv`."""
        from keras import initializers, layers

        options = self._kernel_options("depthwise", axis=[0, 1])
        initializer = options["depthwise_initializer"]
        if isinstance(initializer, initializers.VarianceScaling):
            # Of a kernel [rows, columns, channels, 1] Keras takes all channels for the inputs of
            # each output, and draws too small. What it calls the outputs are the true inputs.
            options["depthwise_initializer"] = initializers.VarianceScaling(
                initializer.scale, "fan_out", initializer.distribution
            )
        convolution = layers.DepthwiseConv2D(
            kernel, strides, padding, use_bias=use_bias, name=name, **options
        )
        return self._finish(convolution(x), linear, name)

    def dense(self, x, units: int, *, name: str | None = None):
        """Put a dense layer, normalisation and activation behind `[batch, features]`."""
        from keras import layers

        dense = layers.Dense(units, name=name, **self._kernel_options("kernel", axis=0))
        return self._finish(dense(x), linear=False, name=name)

    def logits(self, x, classes: int, use_bias: bool = True):
        """Put the last layer behind `[batch, features]`: `[batch, classes]`, of no activation."""
        from keras import layers

        options = self._kernel_options("kernel", axis=0)
        return layers.Dense(classes, use_bias=use_bias, name="logits", **options)(x)

    def norm(self, x, name: str | None = None):
        """Normalise by the statistics of the global batch, whatever `batch_norm` says."""
        from models.layers.batch_norm import GlobalBatchNormalization

        options = {
            "epsilon": self.bn_epsilon,
            "momentum": self.bn_momentum,
            "scale": self.bn_scale,
        }
        return GlobalBatchNormalization(**options, name=name)(x)

    def activate(self, x, name: str | None = None):
        """Put the activation behind a tensor."""
        from models.layers import activations

        return activations.layer(self.activation, name=name)(x)

    def _finish(self, x, linear: bool, name: str | None):
        if self.batch_norm not in _PLACES:
            places = ", ".join(_PLACES)
            raise UserError(f"expected batch_norm of {places}, received {self.batch_norm!r}")
        stem = name and name.removesuffix("_conv")
        norm_name, activation_name = (f"{stem}_bn", f"{stem}_act") if stem else (None, None)
        if self.batch_norm == "before":
            x = self.norm(x, norm_name)
        if not linear:
            x = self.activate(x, activation_name)
        return self.norm(x, norm_name) if self.batch_norm == "after" else x

    def _kernel_options(
        self, kernel: str, axis: int | list[int], identity: bool = False
    ) -> dict[str, object]:
        """Return the options of a layer for one of its kernels, such as `kernel_regularizer`."""
        from keras import constraints, initializers, regularizers

        from models.layers.partial_identity import PartialIdentity

        try:
            initializer = initializers.get(self.kernel_initializer)
        except ValueError:
            raise UserError(
                f"Keras has no initializer {self.kernel_initializer!r}; use one such as "
                "kernel_initializer=he_normal"
            ) from None
        options = {"initializer": PartialIdentity(initializer) if identity else initializer}
        if self.l1 or self.l2:
            options["regularizer"] = regularizers.L1L2(self.l1, self.l2)
        if self.max_norm:
            options["constraint"] = constraints.MaxNorm(self.max_norm, axis)
        return {f"{kernel}_{option}": value for option, value in options.items()}
