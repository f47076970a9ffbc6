"""ZFNet (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014)."""

from collections.abc import Sequence

from models.layers.style import Style

MIN_SIZE = 53
_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: Sequence[int] = (4096, 4096),
    dense_dropout: float = 0.5,
    dropout_kind: str = "plain",
    style: Style = _STYLE,
):
    """Build the network: 62,357,608 parameters on 224×224×3 with 1,000 classes.

    AlexNet, with a first convolution of 7×7 / 2 in place of 11×11 / 4 and a second of stride 2.

    | layer | output (224×224) | kernel |
    |---|---|---|
    | convolution | 110×110×96 | 7×7 / 2 |
    | max pooling, contrast normalisation | 55×55×96 | 3×3 / 2 |
    | convolution | 26×26×256 | 5×5 / 2 |
    | max pooling, contrast normalisation | 13×13×256 | 3×3 / 2 |
    | 3 convolutions | 13×13×384, 384, 256 | 3×3 |
    | max pooling | 6×6×256 | 3×3 / 2 |
    | dense, dropout | 4096 | |
    | dense, dropout | 4096 | |
    | dense | classes | |

    Contrast is normalised over neighbouring channels, as in AlexNet.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        units: size of each dense layer before the logits.
        dense_dropout: share dropped behind each dense layer.
        dropout_kind: `plain`, `alpha` or `gaussian`.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop
    from models.layers.local_response_norm import LocalResponseNormalization

    images = Input(input_shape)
    x = layers.ZeroPadding2D(1)(images)
    for filters, kernel in ((96, 7), (256, 5)):
        x = style.conv(x, filters, kernel, strides=2, padding="valid")
        x = LocalResponseNormalization()(layers.MaxPooling2D(3, 2, "same")(x))
    for filters in (384, 384, 256):
        x = style.conv(x, filters, 3)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2)(x))
    for size in units:
        x = drop(style.dense(x, size), dense_dropout, dropout_kind)
    return Model(images, style.logits(x, classes), name="zfnet")
