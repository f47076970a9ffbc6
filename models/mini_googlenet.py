"""MiniGoogLeNet, simplified inception for small images (Zhang, Bengio, Hardt, Recht and Vinyals,
Understanding Deep Learning Requires Rethinking Generalization, ICLR 2017; as in Rosebrock, Deep
Learning for Computer Vision with Python, Practitioner Bundle, 2017, chapter 11)."""

from models.layers.style import Style

MIN_SIZE = 7
_STYLE = Style(batch_norm="before")
# Channels of the 1×1 and the 3×3 convolution of each module, between the two of stride 2.
_STAGES = (
    ((32, 32), (32, 48)),
    ((112, 48), (96, 64), (80, 80), (48, 96)),
    ((176, 160), (176, 160)),
)
_DOWNSAMPLED = (80, 96)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.5,
    style: Style = _STYLE,
):
    """Build the network: 1,656,250 parameters for images of 3 channels with 10 classes.

    | stage | output (32×32) |
    |---|---|
    | convolution 3×3 | 32×32×96 |
    | 2 modules | 32×32×80 |
    | downsampling | 15×15×160 |
    | 4 modules | 15×15×144 |
    | downsampling | 7×7×240 |
    | 2 modules | 7×7×336 |
    | global average pooling, dropout | 336 |
    | dense | classes |

    A module is a 1×1 and a 3×3 convolution side by side; downsampling, a 3×3 convolution of stride
    2 beside a maximum.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped before the logits.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    images = Input(input_shape)
    x = style.conv(images, 96, 3)
    for stage, modules in enumerate(_STAGES):
        if stage:
            smaller = style.conv(x, _DOWNSAMPLED[stage - 1], 3, strides=2, padding="valid")
            x = layers.Concatenate()([smaller, layers.MaxPooling2D(3, 2)(x)])
        for one, three in modules:
            x = layers.Concatenate()([style.conv(x, one, 1), style.conv(x, three, 3)])
    x = drop(layers.GlobalAveragePooling2D()(x), dropout)
    return Model(images, style.logits(x, classes), name="mini_googlenet")
