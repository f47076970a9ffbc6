"""DeeperGoogLeNet, GoogLeNet for images of 64×64 (Rosebrock, Deep Learning for Computer Vision with
Python, Practitioner Bundle, 2017, chapter 11)."""

from models.layers.inception import Widths, inception
from models.layers.style import Style

_STYLE = Style(l2=2e-4, batch_norm="before")
_STAGE_3 = {"3a": Widths(64, 96, 128, 16, 32, 32), "3b": Widths(128, 128, 192, 32, 96, 64)}
_STAGE_4 = {
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
}


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    stage_4: bool = True,
    dropout: float = 0.4,
    style: Style = _STYLE,
):
    """Build the network: 3,667,976 parameters for images of 3 channels with 200 classes.

    | stage | output (64×64) |
    |---|---|
    | convolution 5×5 | 64×64×64 |
    | max pooling 3×3 / 2 | 32×32×64 |
    | convolutions 1×1, 3×3 | 32×32×192 |
    | max pooling 3×3 / 2 | 16×16×192 |
    | inception 3a, 3b | 16×16×480 |
    | max pooling 3×3 / 2 | 8×8×480 |
    | inception 4a to 4e | 8×8×832 |
    | max pooling 3×3 / 2 | 4×4×832 |
    | global average pooling, dropout | 832 |
    | dense | classes |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        stage_4: whether there is 4a to 4e, with the pooling before; 773,752 parameters without.
        dropout: share dropped before the logits.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    images = Input(input_shape)
    x = style.conv(images, 64, 5, name="block1")
    x = layers.MaxPooling2D(3, 2, "same", name="pool1")(x)
    x = style.conv(x, 64, 1, name="block2")
    x = style.conv(x, 192, 3, name="block3")
    x = layers.MaxPooling2D(3, 2, "same", name="pool2")(x)
    for number, modules in enumerate([_STAGE_3, _STAGE_4] if stage_4 else [_STAGE_3], 3):
        for stage, widths in modules.items():
            x = inception(x, style, widths, stage)
        x = layers.MaxPooling2D(3, 2, "same", name=f"pool{number}")(x)
    x = drop(layers.GlobalAveragePooling2D(name="pool5")(x), dropout)
    return Model(images, style.logits(x, classes), name="deeper_googlenet")
