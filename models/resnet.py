"""ResNet of 18 to 152 layers (He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition,
CVPR 2016). Halving stands in the 3×3 convolution, as is usual since (Goyal et al., Accurate, Large
Minibatch SGD, 2017, section 5.1)."""

from headrace.errors import UserError
from models.layers.style import Style

STYLE = Style(
    l2=1e-4, batch_norm="before", kernel_initializer="he_normal", bn_epsilon=1e-5, bn_momentum=0.9
)
_BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_BOTTLENECK = {26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_STAGES = {**_BASIC, **_BOTTLENECK}


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    depth: int = 50,
    groups: int = 1,
    group_width: int = 64,
    reduction: int = 0,
    stem: str = "imagenet",
    stochastic_depth: float = 0.0,
    dropout: float = 0.0,
    style: Style = STYLE,
):
    """Build the network: 25,557,032 trainable parameters for 3 channels with 1,000 classes.

    | stage | output (224×224) |
    |---|---|
    | convolution 7×7 / 2 | 112×112×64 |
    | max pooling 3×3 / 2 | 56×56×64 |
    | blocks | 56×56×256 |
    | blocks | 28×28×512 |
    | blocks | 14×14×1024 |
    | blocks | 7×7×2048 |
    | global average pooling | 2048 |
    | dense | classes |

    A block is two 3×3 convolutions (18 and 34 layers, a quarter of these channels) or 1×1, 3×3 and
    1×1 beside its input. Trainable parameters at 18, 34, 101 and 152 layers: 11,689,512,
    21,797,672, 44,549,160 and 60,192,808.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        depth: 18, 26, 34, 50, 101 or 152.
        groups: groups of the 3×3 convolution, see `models.resnext`.
        group_width: channels of a group in the first stage.
        reduction: channels for one unit of squeeze-and-excitation, see `models.senet`; 0 for none.
        stem: `imagenet`, or `cifar` for images of about 32×32: a 3×3 convolution and no pooling.
        stochastic_depth: share of images for which the last block is left out in training; for
            those before, evenly less.
        dropout: share dropped before the logits.
        style: how layers are made; the place of batch norm is that of the paper, `before`.

    Raises:
        UserError: an option has no such value.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers import residual
    from models.layers.dropout import dropout as drop

    _check(depth, stem, groups, group_width)
    images = Input(input_shape)
    if stem == "cifar":
        x = style.conv(images, 64, 3, use_bias=False)
    else:
        x = style.conv(images, 64, 7, strides=2, use_bias=False)
        x = layers.MaxPooling2D(3, 2, "same")(x)
    basic = depth in _BASIC
    drops = iter(residual.drop_rates(stochastic_depth, sum(_STAGES[depth])))
    for stage, blocks in enumerate(_STAGES[depth]):
        inner, width = groups * group_width * 2**stage, 64 * 2**stage * (1 if basic else 4)
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            if basic:
                branch = style.conv(x, width, 3, strides, use_bias=False)
            else:
                branch = style.conv(x, inner, 1, use_bias=False)
                branch = style.conv(branch, inner, 3, strides, groups=groups, use_bias=False)
            kernel = 3 if basic else 1
            branch = style.conv(branch, width, kernel, use_bias=False, linear=True)
            if reduction:
                branch = residual.squeeze_excite(branch, reduction)
            if strides > 1 or x.shape[-1] != width:
                x = style.conv(x, width, 1, strides, use_bias=False, linear=True)
            x = style.activate(residual.add(x, branch, next(drops)))
    x = drop(layers.GlobalAveragePooling2D()(x), dropout)
    return Model(images, style.logits(x, classes), name=f"resnet{depth}")


def _check(depth: int, stem: str, groups: int, group_width: int) -> None:
    if depth not in _STAGES:
        depths = ", ".join(map(str, _STAGES))
        raise UserError(f"resnet: expected a depth of {depths}, received {depth}")
    if stem not in ("imagenet", "cifar"):
        raise UserError(f"resnet: expected stem=imagenet or stem=cifar, received {stem!r}")
    if min(groups, group_width) < 1 or (groups > 1 and depth in _BASIC):
        raise UserError(
            "resnet: expected groups and group_width of 1 or more, and groups in bottlenecks "
            f"alone, received groups={groups}, group_width={group_width} and depth={depth}"
        )
