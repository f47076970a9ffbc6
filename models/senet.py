"""SENet: a ResNet whose blocks weigh their channels (Hu, Shen and Sun, Squeeze-and-Excitation
Networks, CVPR 2018)."""

from models import resnet
from models.layers.style import Style


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    depth: int = 50,
    reduction: int = 16,
    stem: str = "imagenet",
    stochastic_depth: float = 0.0,
    dropout: float = 0.0,
    style: Style = resnet.STYLE,
):
    """Build the network: 28,088,024 trainable parameters for 3 channels with 1,000 classes.

    `resnet` with squeeze-and-excitation behind the last convolution of each block.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        depth: 18, 26, 34, 50, 101 or 152.
        reduction: channels for one unit of the bottleneck.
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
        reduction=reduction,
        stem=stem,
        stochastic_depth=stochastic_depth,
        dropout=dropout,
        style=style,
    )
