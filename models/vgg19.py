"""VGG of 19 layers (Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image
Recognition, ICLR 2015, configuration E)."""

from collections.abc import Sequence

from models import vgg16
from models.layers.style import Style

MIN_SIZE = vgg16.MIN_SIZE
_STYLE = Style(l2=5e-4)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: Sequence[int] = (4096, 4096),
    dense_dropout: float = 0.5,
    style: Style = _STYLE,
):
    """Build the network: 143,667,240 parameters on 224×224×3 with 1,000 classes.

    `vgg16` with a fourth convolution in each of the last three blocks.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        units: size of each dense layer before the logits.
        dense_dropout: share dropped behind each dense layer.
        style: how layers are made.
    """
    return vgg16.build(
        input_shape,
        classes,
        blocks=(2, 2, 4, 4, 4),
        units=units,
        dense_dropout=dense_dropout,
        style=style,
    )
