"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document
Recognition, Proceedings of the IEEE, 1998)."""

from models.layers.style import Style

MIN_SIZE = 32
_STYLE = Style(activation="tanh")


def build(input_shape: tuple[int, int, int], classes: int, *, style: Style = _STYLE):
    """Build LeNet-5; 61,706 parameters for 32×32×1 and 10 classes.

    | layer | output (32×32) | kernel | activation |
    |---|---|---|---|
    | C1 convolution | 28×28×6 | 5×5 | tanh |
    | S2 average pooling | 14×14×6 | 2×2 / 2 | |
    | C3 convolution | 10×10×16 | 5×5 | tanh |
    | S4 average pooling | 5×5×16 | 2×2 / 2 | |
    | C5 convolution | 1×1×120 | 5×5 | tanh |
    | F6 dense | 84 | | tanh |
    | output dense | classes | | |

    As is usual since, C3 sees all maps of S2, pooling has no weights of its own, and the output
    gives logits where the paper has radial basis functions.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        style: how layers are made; the activation of the paper is `tanh`.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    images = Input(input_shape)
    x = style.conv(images, 6, 5, padding="valid", name="c1")
    x = style.conv(layers.AveragePooling2D(2, name="s2")(x), 16, 5, padding="valid", name="c3")
    x = style.conv(layers.AveragePooling2D(2, name="s4")(x), 120, 5, padding="valid", name="c5")
    x = style.dense(layers.Flatten()(x), 84, name="f6")
    return Model(images, style.logits(x, classes), name="lenet")
