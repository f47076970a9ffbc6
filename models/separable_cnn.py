"""A light network of depthwise separable convolutions, for little data (Chollet, Deep Learning with
Python, 2017, chapter 7.3)."""

from models.layers.style import Style

MIN_SIZE = 32
_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    separable: bool = True,
    dropout: float = 0.0,
    style: Style = _STYLE,
):
    """Build the network: 38,949 parameters for images of 3 channels with 10 classes.

    | layer | output (64×64) | kernel |
    |---|---|---|
    | 2 separable convolutions | 60×60×64 | 3×3 |
    | max pooling | 30×30×64 | 2×2 / 2 |
    | 2 separable convolutions | 26×26×128 | 3×3 |
    | max pooling | 13×13×128 | 2×2 / 2 |
    | 2 separable convolutions | 9×9×128 | 3×3 |
    | global average pooling | 128 | |
    | dense | 32 | |
    | dense | classes | |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        separable: whether convolutions are; plain ones have 282,282 parameters.
        dropout: share dropped before each dense layer.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    conv = style.separable_conv if separable else style.conv
    x = images = Input(input_shape)
    for stage, widths in enumerate(((32, 64), (64, 128), (64, 128))):
        x = layers.MaxPooling2D(2)(x) if stage else x
        for filters in widths:
            x = conv(x, filters, 3, padding="valid")
    x = style.dense(drop(layers.GlobalAveragePooling2D()(x), dropout), 32)
    return Model(images, style.logits(drop(x, dropout), classes), name="separable_cnn")
