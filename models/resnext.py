"""ResNeXt, a ResNet of grouped convolutions (Xie, Girshick, Dollár, Tu and He, Aggregated Residual
Transformations for Deep Neural Networks, CVPR 2017)."""

from models import resnet
from models.layers.style import Style


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    depth: int = 50,
    groups: int = 32,
    group_width: int = 4,
    stem: str = "imagenet",
    stochastic_depth: float = 0.0,
    dropout: float = 0.0,
    style: Style = resnet.STYLE,
):
    """Build the network: 25,028,904 trainable parameters for 3 channels with 1,000 classes.

    `resnet` with a 3×3 convolution of 32 groups in each block, of twice the channels. With
    `depth=101;group_width=8`, 88,791,336 trainable parameters.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        depth: 26, 50, 101 or 152.
        groups: groups of the 3×3 convolution.
        group_width: channels of a group in the first stage.
        stem: `imagenet`, or `cifar` for images of about 32×32.
        stochastic_depth: share of images for which the last block is left out in training.
        dropout: share dropped before the logits.
        style: how layers are made.

    Raises:
        UserError: an option has no such value.
    """
    return resnet.build(
        input_shape,
        classes,
        depth=depth,
        groups=groups,
        group_width=group_width,
        stem=stem,
        stochastic_depth=stochastic_depth,
        dropout=dropout,
        style=style,
    )
