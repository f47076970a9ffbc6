"""`--optimizer`: a name → a Keras optimizer with the settings that the name stands for.

It keeps the moving average of weights (`--ema`) and the loss scale (float16) as well, so that they
are in checkpoints wherever the optimizer is.
"""

import contextlib
import functools
from collections.abc import Iterator

from trainer.config.run import RunConfig

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


def create(name: str, learning_rate: float, ema: float = 0.0, mixed_precision: str = "none"):
    """Makes the optimizer.

    `momentum` and `nesterov` are SGD with momentum 0.9; the others have Keras's defaults.

    Args:
        name: one of `NAMES`.
        learning_rate: constant over the run.
        ema: of the moving average of weights, the part that a step keeps; 0 for no average.
        mixed_precision: `none`, `bfloat16` or `float16`, which the model computes in.
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
    average = {"use_ema": True, "ema_momentum": ema} if ema else {}
    made = makers[name](learning_rate=learning_rate, **average)
    # Small gradients are 0 in float16, unless the loss is multiplied. bfloat16 has float32's range.
    return optimizers.LossScaleOptimizer(made) if mixed_precision == "float16" else made


def of(config: RunConfig, model):
    """The optimizer of a run, built for its model."""
    optimizer = create(config.optimizer, config.learning_rate, config.ema, config.mixed_precision)
    optimizer.build(model.trainable_variables)
    return optimizer


def rate(optimizer) -> float:
    """The learning rate as it is now, to the digits that 32 bits have."""
    return float(f"{float(optimizer.learning_rate.numpy()):.7g}")


@contextlib.contextmanager
def averaged(model, optimizer) -> Iterator[None]:
    """The model has the moving averages of its weights meanwhile, if the optimizer keeps them.

    Batch normalisation's moving statistics, which are averages already, stay. Afterwards the
    weights are what they were, to the last bit.
    """
    if not getattr(optimizer, "inner_optimizer", optimizer).use_ema:
        yield
        return
    weights = [variable.numpy() for variable in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
