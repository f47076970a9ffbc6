"""MiniVGGNet, VGG's scheme for small images (Rosebrock, Deep Learning for Computer Vision with
Python, Starter Bundle, 2017, chapter 15)."""

from models.layers.style import Style

MIN_SIZE = 4
_STYLE = Style(batch_norm="after")


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: float = 0.25,
    dense_dropout: float = 0.5,
    dropout_kind: str = "plain",
    style: Style = _STYLE,
):
    """Build the network: 2,171,178 parameters on 32×32×3 with 10 classes.

    | layer | output (32×32) | kernel |
    |---|---|---|
    | 2 convolutions | 32×32×32 | 3×3 |
    | max pooling, dropout | 16×16×32 | 2×2 / 2 |
    | 2 convolutions | 16×16×64 | 3×3 |
    | max pooling, dropout | 8×8×64 | 2×2 / 2 |
    | dense, dropout | 512 | |
    | dense | classes | |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        dropout: share dropped behind each pooling.
        dense_dropout: share dropped before the logits.
        dropout_kind: `plain`, `spatial`, `alpha` or `gaussian`.
        style: how layers are made.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    x = images = Input(input_shape)
    for filters in (32, 64):
        for _ in range(2):
            x = style.conv(x, filters, 3)
        x = drop(layers.MaxPooling2D(2)(x), dropout, dropout_kind)
    x = drop(style.dense(layers.Flatten()(x), 512), dense_dropout, dropout_kind)
    return Model(images, style.logits(x, classes), name="mini_vgg")
