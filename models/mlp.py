"""A multilayer perceptron: dense layers on the flattened image (as for MNIST in Chollet, Deep
Learning with Python, 2nd edition, 2021, chapter 2)."""

from collections.abc import Sequence

from headrace.errors import UserError


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    units: Sequence[int] = (512,),
    activation: str = "relu",
):
    """Build the network: 407,050 parameters for the defaults on 28×28×1 and 10 classes.

    | layer | output | activation |
    |---|---|---|
    | flatten | 784 | |
    | dense | 512 | relu |
    | dense | classes | |

    Args:
        input_shape: rows, columns, channels.
        classes: number of logits.
        units: size of each hidden layer; none for a linear model.
        activation: activation of the hidden layers, any of Keras.

    Raises:
        UserError: a layer has no units.
    """
    from keras import Input, Sequential, layers  # with TensorFlow, takes seconds

    if any(size < 1 for size in units):
        raise UserError(f"mlp: expected units of 1 or more, received units={tuple(units)}")
    hidden = [layers.Dense(size, activation=activation) for size in units]
    return Sequential(
        [Input(input_shape), layers.Flatten(), *hidden, layers.Dense(classes, name="logits")],
        name="mlp",
    )
