"""`ema_decay`: the moving average of weights, which the optimizer keeps and evaluation takes."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def average_weights(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Give the model the moving averages of its weights meanwhile, if the optimizer keeps them.

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
