"""The plain network for CIFAR-10 with which a first run is shown to overfit (Ferlitsch, The
Idiomatic Programmer, 2019, on training; and the examples of Keras)."""

from models.layers.style import Style

MIN_SIZE = 6
_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.0,
    dropout_kind: str = "plain",
    style: Style = _STYLE,
):
    """Build the network: 1,626,442 parameters on 32×32×3 with 10 classes.

    | layer | output (32×32) | kernel |
    |---|---|---|
    | convolution | 30×30×32 | 3×3 |
    | convolution | 28×28×64 | 3×3 |
    | max pooling | 14×14×64 | 2×2 / 2 |
    | dense | 128 | |
    | dense | classes | |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped before each dense layer.
        dropout_kind: `plain`, `spatial`, `alpha` or `gaussian`.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    images = Input(input_shape)
    x = style.conv(images, 32, 3, padding="valid")
    x = style.conv(x, 64, 3, padding="valid")
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(drop(x, dropout, dropout_kind))
    x = drop(style.dense(x, 128), dropout, dropout_kind)
    return Model(images, style.logits(x, classes), name="cifar_cnn")
