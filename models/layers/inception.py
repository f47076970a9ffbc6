"""The inception module (Szegedy et al., Going Deeper with Convolutions, CVPR 2015)."""

import dataclasses

from models.layers.style import Style


@dataclasses.dataclass(frozen=True)
class Widths:
    """Channels of an inception module's convolutions, in the columns of the paper's table 1."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    project: int


def inception(x, style: Style, widths: Widths, stage: str):
    """Put a module behind `[batch, rows, columns, channels]`: 1×1, 3×3 and 5×5 convolutions, the
    latter two behind a 1×1, and a projected 3×3 maximum, beside one another.

    Args:
        x: a Keras tensor.
        style: how convolutions are made.
        widths: channels of each.
        stage: its name, such as `3a`, which those of its layers begin with.
    """
    from keras import layers  # with TensorFlow, takes seconds

    first = style.conv(x, widths.one, 1, name=f"{stage}_first")
    second = style.conv(x, widths.reduce_three, 1, name=f"{stage}_second1")
    second = style.conv(second, widths.three, 3, name=f"{stage}_second2")
    third = style.conv(x, widths.reduce_five, 1, name=f"{stage}_third1")
    third = style.conv(third, widths.five, 5, name=f"{stage}_third2")
    fourth = layers.MaxPooling2D(3, 1, "same", name=f"{stage}_pool")(x)
    fourth = style.conv(fourth, widths.project, 1, name=f"{stage}_fourth")
    return layers.Concatenate(name=f"{stage}_mixed")([first, second, third, fourth])
