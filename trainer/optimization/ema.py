"""`ema_decay`: the moving average of weights, which the optimizer keeps and evaluation takes."""

import contextlib
from collections.abc import Iterator

import keras


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Let the averages, if there are any, be those of the weights as they are."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if inner.use_ema:
        averages = inner._model_variables_moving_average
        for average, variable in zip(averages, inner._trainable_variables, strict=True):
            average.assign(variable)


@contextlib.contextmanager
def average_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Give weights their moving averages meanwhile, if the optimizer that changes them keeps any.

    Batch normalisation's moving statistics, which are averages already, stay. Afterwards the
    weights are what they were, to the last bit.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not inner.use_ema:
        yield
        return
    # Those of frozen layers too, which the model does not count as trainable.
    averaged = inner._trainable_variables
    weights = [variable.numpy() for variable in averaged]
    inner.finalize_variable_values(averaged)
    try:
        yield
    finally:
        for variable, value in zip(averaged, weights, strict=True):
            variable.assign(value)
