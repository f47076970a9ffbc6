"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document
Recognition, Proceedings of the IEEE, 1998)."""

from headrace.errors import UserError

_MIN_SIZE = 32


def build(input_shape: tuple[int, int, int], classes: int, *, activation: str = "tanh"):
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
        input_shape: rows, columns (32 or more each) and channels.
        classes: number of logits.
        activation: `tanh` as in the paper, or any other of Keras, such as `relu`.

    Raises:
        UserError: the input is smaller than 32×32.
    """
    from keras import Input, Sequential, layers  # with TensorFlow, takes seconds

    if min(input_shape[:2]) < _MIN_SIZE:
        raise UserError(
            f"lenet: expected images of at least {_MIN_SIZE}×{_MIN_SIZE}, received "
            f"{input_shape[0]}×{input_shape[1]}; use `image_size`={_MIN_SIZE},{_MIN_SIZE}"
        )
    return Sequential(
        [
            Input(input_shape),
            layers.Conv2D(6, 5, activation=activation, name="c1"),
            layers.AveragePooling2D(2, name="s2"),
            layers.Conv2D(16, 5, activation=activation, name="c3"),
            layers.AveragePooling2D(2, name="s4"),
            layers.Conv2D(120, 5, activation=activation, name="c5"),
            layers.Flatten(),
            layers.Dense(84, activation=activation, name="f6"),
            layers.Dense(classes, name="logits"),
        ],
        name="lenet",
    )
