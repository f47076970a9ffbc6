"""AlexNet (Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural
Networks, NIPS 2012; with batch norm, as in Rosebrock, Deep Learning for Computer Vision with
Python, Practitioner Bundle, 2017, chapter 10)."""

from collections.abc import Sequence

from models.layers.style import Style

MIN_SIZE = 57
_STYLE = Style(l2=2e-4, batch_norm="after")


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: Sequence[int] = (4096, 4096),
    dropout: float = 0.25,
    dense_dropout: float = 0.5,
    dropout_kind: str = "plain",
    style: Style = _STYLE,
):
    """Build the network: 58,327,810 parameters on 227×227×3 with 2 classes.

    | layer | output (227×227) | kernel |
    |---|---|---|
    | convolution | 57×57×96 | 11×11 / 4 |
    | max pooling, dropout | 28×28×96 | 3×3 / 2 |
    | convolution | 28×28×256 | 5×5 |
    | max pooling, dropout | 13×13×256 | 3×3 / 2 |
    | 3 convolutions | 13×13×384, 384, 256 | 3×3 |
    | max pooling, dropout | 6×6×256 | 3×3 / 2 |
    | dense, dropout | 4096 | |
    | dense, dropout | 4096 | |
    | dense | classes | |

    The first convolution is padded, where the paper's is not and gives 55×55; batch norm stands for
    the paper's local response normalisation.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        units: size of each dense layer before the logits.
        dropout: share dropped behind each pooling.
        dense_dropout: share dropped behind each dense layer.
        dropout_kind: `plain`, `spatial`, `alpha` or `gaussian`.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    def pool(x):
        return drop(layers.MaxPooling2D(3, 2)(x), dropout, dropout_kind)

    images = Input(input_shape)
    x = pool(style.conv(images, 96, 11, strides=4))
    x = pool(style.conv(x, 256, 5))
    for filters in (384, 384, 256):
        x = style.conv(x, filters, 3)
    x = layers.Flatten()(pool(x))
    for size in units:
        x = drop(style.dense(x, size), dense_dropout, dropout_kind)
    return Model(images, style.logits(x, classes), name="alexnet")
