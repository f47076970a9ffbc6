"""A multilayer perceptron: dense layers on the flattened image (as for MNIST in Chollet, Deep
Learning with Python, 2nd edition, 2021, chapter 2; for Fashion-MNIST in Géron, Hands-On Machine
Learning, 3rd edition, 2022, chapters 10 and 11)."""

from collections.abc import Sequence

from headrace.errors import UserError
from models.layers.style import Style

_STYLE = Style()


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: Sequence[int] = (512,),
    dropout: float = 0.0,
    dropout_kind: str = "plain",
    style: Style = _STYLE,
):
    """Build the network: 407,050 parameters for the defaults on 28×28×1 and 10 classes.

    | layer | output | activation |
    |---|---|---|
    | flatten | 784 | |
    | dense | 512 | relu |
    | dense | classes | |

    The published others: `units=(300,100)` has 266,610 parameters, with `batch_norm=after` 271,346;
    `units=(100,100)` 89,610, with `dropout=0.2` before each dense layer.

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        units: size of each hidden layer; none for a linear model.
        dropout: share dropped before each dense layer.
        dropout_kind: `plain`, `alpha` (for selu) or `gaussian`.
        style: how layers are made. With batch norm, the pixels are normalised as well.

    Raises:
        UserError: a layer has no units, or an option has no such value.
    """
    from keras import Input, Model, layers  # with TensorFlow, takes seconds

    from models.layers.dropout import dropout as drop

    if any(size < 1 for size in units):
        raise UserError(f"mlp: expected units of 1 or more, received units={tuple(units)}")
    images = Input(input_shape)
    x = layers.Flatten()(images)
    if style.batch_norm != "none":
        x = style.norm(x)
    for size in units:
        x = style.dense(drop(x, dropout, dropout_kind), size)
    return Model(images, style.logits(drop(x, dropout, dropout_kind), classes), name="mlp")
