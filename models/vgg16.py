"""VGG of 16 layers (Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image
Recognition, ICLR 2015, configuration D)."""

from collections.abc import Sequence

from headrace.errors import UserError
from models.layers.style import Style

MIN_SIZE = 32
_WIDTHS = (64, 128, 256, 512, 512)
_STYLE = Style(l2=5e-4)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    blocks: Sequence[int] = (2, 2, 3, 3, 3),
    units: Sequence[int] = (4096, 4096),
    dense_dropout: float = 0.5,
    style: Style = _STYLE,
):
    """Build the network: 138,357,544 parameters on 224×224×3 with 1,000 classes.

    Five blocks of 3×3 convolutions (64, 128, 256, 512 and 512 channels), each with a maximum of 2×2
    behind it; two dense layers of 4,096 with dropout; the logits.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        blocks: convolutions in each of the five blocks.
        units: size of each dense layer before the logits.
        dense_dropout: share dropped behind each dense layer.
        style: how layers are made.

    Raises:
        UserError: there are not five blocks of one convolution or more.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    if len(blocks) != len(_WIDTHS) or min(blocks) < 1:
        raise UserError(f"vgg: expected five blocks of 1 or more, received {tuple(blocks)}")
    x = images = Input(input_shape)
    for block, (convolutions, filters) in enumerate(zip(blocks, _WIDTHS, strict=True), 1):
        for number in range(1, convolutions + 1):
            x = style.conv(x, filters, 3, name=f"block{block}_conv{number}")
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten()(x)
    for number, size in enumerate(units, 1):
        x = drop(style.dense(x, size, name=f"fc{number}"), dense_dropout)
    return Model(images, style.logits(x, classes), name=f"vgg{sum(blocks) + len(units) + 1}")
