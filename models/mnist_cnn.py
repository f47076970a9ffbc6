"""The small convolutional network for MNIST (Chollet, Deep Learning with Python, 2017, chapter
5.1)."""

from models.layers.style import Style

MIN_SIZE = 18
_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    pooling: bool = True,
    dropout: float = 0.0,
    style: Style = _STYLE,
):
    """Build the network: 93,322 parameters on 28×28×1 with 10 classes, 55,744 of them in the
    convolutions.

    | layer | output (28×28) | kernel |
    |---|---|---|
    | convolution | 26×26×32 | 3×3 |
    | max pooling | 13×13×32 | 2×2 / 2 |
    | convolution | 11×11×64 | 3×3 |
    | max pooling | 5×5×64 | 2×2 / 2 |
    | convolution | 3×3×64 | 3×3 |
    | dense | 64 | |
    | dense | classes | |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        pooling: whether there is any; without, the convolutions end at 22×22×64, and the dense
            layer behind them has most of the parameters.
        dropout: share dropped before each dense layer.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    images = Input(input_shape)
    x = style.conv(images, 32, 3, padding="valid")
    for _ in range(2):
        x = layers.MaxPooling2D(2)(x) if pooling else x
        x = style.conv(x, 64, 3, padding="valid")
    x = style.dense(drop(layers.Flatten()(x), dropout), 64)
    return Model(images, style.logits(drop(x, dropout), classes), name="mnist_cnn")
