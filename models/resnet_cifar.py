"""The pre-activation bottleneck ResNet for small images (He, Zhang, Ren and Sun, Identity Mappings
in Deep Residual Networks, ECCV 2016; built as in Rosebrock, Deep Learning for Computer Vision with
Python, Practitioner Bundle, 2017, chapter 12)."""

import functools
from collections.abc import Sequence

from headrace.errors import UserError

MIN_SIZE = 4


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    stages: Sequence[int] = (9, 9, 9),
    filters: Sequence[int] = (16, 16, 32, 64),
    reg: float = 1e-4,
    bn_eps: float = 2e-5,
    bn_momentum: float = 0.9,
    stem: str = "cifar",
    activation: str = "relu",
    stochastic_depth: float = 0.0,
):
    """Build the network: 60,790 parameters for the defaults on 32×32×3 and 10 classes.

    Batch norm on the input, a 3×3 convolution, then per stage one module that projects its shortcut
    (with stride 2 from the second stage on) and identity modules; batch norm, ReLU, global average
    pooling, logits. `reg` reaches every convolution; the book's own code passed it to the first
    and the last layer only.

    For Tiny ImageNet at 64×64, `stem=tiny_imagenet;stages=(3,4,6);filters=(64,128,256,512)` has
    2,265,748 parameters with 200 classes.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        stages: residual modules in each stage.
        filters: channels of the first convolution, then those that each stage's modules give.
        reg: factor of the L2 regularisation of convolutions and logits.
        bn_eps: epsilon of batch normalisation.
        bn_momentum: momentum of its moving averages.
        stem: `cifar`, or `tiny_imagenet`: a first convolution of 5×5, and a maximum that halves the
            image.
        activation: see `models.layers.activations`.
        stochastic_depth: share of images for which the last module is left out in training; for
            those before, evenly less.

    Raises:
        UserError: `filters` is not one longer than `stages`, the image is too small for them, or an
            option has no such value.
    """
    from keras import Input, Model, layers, regularizers  # with TensorFlow, takes seconds

    from models.layers import activations
    from models.layers import residual as branches
    from models.layers.batch_norm import GlobalBatchNormalization

    _check_shapes(input_shape, stages, filters, stem)
    # Moving averages agree over replicas only when the batch statistics are those of all of them.
    norm = functools.partial(GlobalBatchNormalization, epsilon=bn_eps, momentum=bn_momentum)
    convolution = functools.partial(
        layers.Conv2D,
        padding="same",
        use_bias=False,
        kernel_regularizer=regularizers.L2(reg),
    )

    def norm_act(x):
        return activations.layer(activation)(norm()(x))

    def subsample(x, stride: int):
        # The same as a stride of the 1×1 convolution behind it. That, for 4 or 8 channels, makes
        # TensorFlow 2.21 write beyond its memory on a CPU: the gradient of the kernel in oneDNN.
        return layers.MaxPooling2D(1, stride)(x) if stride > 1 else x

    def residual(x, width: int, stride: int, project: bool):
        activated = norm_act(x)
        inner = convolution(width // 4, 1)(activated)
        inner = convolution(width // 4, 3, strides=stride)(norm_act(inner))
        inner = convolution(width, 1)(norm_act(inner))
        shortcut = convolution(width, 1)(subsample(activated, stride)) if project else x
        return branches.add(shortcut, inner, next(drops))

    images = Input(input_shape)
    drops = iter(branches.drop_rates(stochastic_depth, sum(stages)))
    x = norm()(images)
    if stem == "tiny_imagenet":
        x = norm_act(convolution(filters[0], 5)(x))
        x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    else:
        x = convolution(filters[0], 3)(x)
    for stage, (modules, width) in enumerate(zip(stages, filters[1:], strict=True)):
        x = residual(x, width, stride=1 if stage == 0 else 2, project=True)
        for _ in range(modules - 1):
            x = residual(x, width, stride=1, project=False)
    x = layers.GlobalAveragePooling2D()(norm_act(x))
    logits = layers.Dense(classes, kernel_regularizer=regularizers.L2(reg), name="logits")(x)
    return Model(images, logits, name="resnet_cifar")


def _check_shapes(
    input_shape: tuple[int, int, int], stages: Sequence[int], filters: Sequence[int], stem: str
) -> None:
    if stem not in ("cifar", "tiny_imagenet"):
        raise UserError(
            f"resnet_cifar: expected stem=cifar or stem=tiny_imagenet, received {stem!r}"
        )
    if not stages or len(filters) != len(stages) + 1:
        raise UserError(
            f"resnet_cifar: expected one more of filters than of stages, received "
            f"stages={tuple(stages)} and filters={tuple(filters)}"
        )
    if min(stages) < 1 or min(filters) < 4:
        raise UserError(
            f"resnet_cifar: expected stages of 1 or more and filters of 4 or more, received "
            f"stages={tuple(stages)} and filters={tuple(filters)}"
        )
    min_size = 2 ** (len(stages) - 1 + (stem == "tiny_imagenet"))
    if min(input_shape[:2]) < min_size:
        raise UserError(
            f"resnet_cifar: {len(stages)} stages need images of at least {min_size}×{min_size}, "
            f"received {input_shape[0]}×{input_shape[1]}; use a larger `image_size`"
        )
