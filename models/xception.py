"""Xception (Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017)."""

from models.layers.style import Style

MIN_SIZE = 7
_STYLE = Style(l2=1e-5, batch_norm="before")


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    middle: int = 8,
    dropout: float = 0.5,
    style: Style = _STYLE,
):
    """Build the network: 22,910,480 parameters for images of 3 channels with 1,000 classes.

    | flow | output (299×299) |
    |---|---|
    | convolutions 3×3 / 2 and 3×3 | 147×147×64 |
    | 3 entry modules, each halves the image | 19×19×728 |
    | 8 middle modules | 19×19×728 |
    | an exit module | 10×10×1024 |
    | 2 separable convolutions | 10×10×2048 |
    | global average pooling, dropout | 2048 |
    | dense | classes |

    A module is two or three separable 3×3 convolutions beside a shortcut.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        middle: modules of the middle flow.
        dropout: share dropped before the logits.
        style: how layers are made; the place of batch norm is that of the paper, `before`.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    def separable(x, filters: int, activated: bool):
        x = style.activate(x) if activated else x
        return style.separable_conv(x, filters, 3, use_bias=False, linear=True)

    def halve(x, widths: tuple[int, int], activated: bool = True):
        shortcut = style.conv(x, widths[1], 1, strides=2, use_bias=False, linear=True)
        x = separable(separable(x, widths[0], activated), widths[1], activated=True)
        return layers.Add()([layers.MaxPooling2D(3, 2, "same")(x), shortcut])

    images = Input(input_shape)
    x = style.conv(images, 32, 3, strides=2, padding="valid", use_bias=False)
    x = style.conv(x, 64, 3, padding="valid", use_bias=False)
    x = halve(x, (128, 128), activated=False)
    x = halve(halve(x, (256, 256)), (728, 728))
    for _ in range(middle):
        branch = x
        for _ in range(3):
            branch = separable(branch, 728, activated=True)
        x = layers.Add()([x, branch])
    x = halve(x, (728, 1024))
    for filters in (1536, 2048):
        x = style.separable_conv(x, filters, 3, use_bias=False)
    x = drop(layers.GlobalAveragePooling2D()(x), dropout)
    return Model(images, style.logits(x, classes), name="xception")
