"""`--optimizer`: a name → a Keras optimizer with the settings that the name stands for."""

import functools

NAMES = (
    "sgd",
    "momentum",
    "nesterov",
    "adam",
    "adamw",
    "nadam",
    "adamax",
    "rmsprop",
    "adagrad",
    "adadelta",
)


def create(name: str, learning_rate: float):
    """Makes the optimizer.

    `momentum` and `nesterov` are SGD with momentum 0.9; the others have Keras's defaults.

    Args:
        name: one of `NAMES`.
        learning_rate: constant over the run.
    """
    from keras import optimizers  # with TensorFlow, takes seconds; NAMES must be had without

    makers = {
        "sgd": optimizers.SGD,
        "momentum": functools.partial(optimizers.SGD, momentum=0.9),
        "nesterov": functools.partial(optimizers.SGD, momentum=0.9, nesterov=True),
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "nadam": optimizers.Nadam,
        "adamax": optimizers.Adamax,
        "rmsprop": optimizers.RMSprop,
        "adagrad": optimizers.Adagrad,
        "adadelta": optimizers.Adadelta,
    }
    return makers[name](learning_rate=learning_rate)
