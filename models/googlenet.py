"""GoogLeNet (Szegedy et al., Going Deeper with Convolutions, CVPR 2015)."""

from models.layers.inception import Widths, inception
from models.layers.style import Style

_STYLE = Style(l2=2e-4)
_STAGES = (
    {"3a": Widths(64, 96, 128, 16, 32, 32), "3b": Widths(128, 128, 192, 32, 96, 64)},
    {
        "4a": Widths(192, 96, 208, 16, 48, 64),
        "4b": Widths(160, 112, 224, 24, 64, 64),
        "4c": Widths(128, 128, 256, 24, 64, 64),
        "4d": Widths(112, 144, 288, 32, 64, 64),
        "4e": Widths(256, 160, 320, 32, 128, 128),
    },
    {"5a": Widths(256, 160, 320, 32, 128, 128), "5b": Widths(384, 192, 384, 48, 128, 128)},
)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.4,
    style: Style = _STYLE,
):
    """Build the network: 6,998,552 parameters for images of 3 channels with 1,000 classes.

    | stage | output (224×224) |
    |---|---|
    | convolution 7×7 / 2 | 112×112×64 |
    | max pooling 3×3 / 2, response normalisation | 56×56×64 |
    | convolutions 1×1, 3×3 | 56×56×192 |
    | response normalisation, max pooling 3×3 / 2 | 28×28×192 |
    | inception 3a, 3b | 28×28×480 |
    | max pooling 3×3 / 2 | 14×14×480 |
    | inception 4a to 4e | 14×14×832 |
    | max pooling 3×3 / 2 | 7×7×832 |
    | inception 5a, 5b | 7×7×1024 |
    | global average pooling, dropout | 1024 |
    | dense | classes |

    The two auxiliary classifiers of the paper are left out; with `batch_norm=before`, nobody misses
    them (Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 4).

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped before the logits.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop
    from models.layers.local_response_norm import LocalResponseNormalization

    def pool(x, number: int):
        return layers.MaxPooling2D(3, 2, "same", name=f"pool{number}")(x)

    images = Input(input_shape)
    x = pool(style.conv(images, 64, 7, strides=2, name="block1"), 1)
    x = style.conv(LocalResponseNormalization()(x), 64, 1, name="block2")
    x = pool(LocalResponseNormalization()(style.conv(x, 192, 3, name="block3")), 2)
    for number, modules in enumerate(_STAGES, 3):
        for stage, widths in modules.items():
            x = inception(x, style, widths, stage)
        x = pool(x, number) if number < 5 else x
    x = drop(layers.GlobalAveragePooling2D()(x), dropout)
    return Model(images, style.logits(x, classes), name="googlenet")
