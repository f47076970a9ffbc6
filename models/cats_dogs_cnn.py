"""The convolutional network for a few thousand photographs of cats and dogs (Chollet, Deep Learning
with Python, 2017, chapter 5.2)."""

from models.layers.style import Style

MIN_SIZE = 46
_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.0,
    style: Style = _STYLE,
):
    """Build the network: 3,453,121 parameters on 150×150×3 with one logit, 513 more with two.

    Four times a 3×3 convolution (32, 64, 128 and 128 channels) and 2×2 maximum, to 7×7×128; a dense
    layer of 512; the logits.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped before the dense layer of 512; the book's second run has 0.5.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    x = images = Input(input_shape)
    for filters in (32, 64, 128, 128):
        x = layers.MaxPooling2D(2)(style.conv(x, filters, 3, padding="valid"))
    x = style.dense(drop(layers.Flatten()(x), dropout), 512)
    return Model(images, style.logits(x, classes), name="cats_dogs_cnn")
