"""The average of weights, which the optimizer keeps and evaluation takes: the moving average of
`ema_decay`, or that of an optimizer which makes its steps beside it."""

import contextlib
from collections.abc import Iterator

import keras

from trainer.optimization import grouped
from trainer.optimization.schedule_free import ScheduleFreeAdamW


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Let the moving averages, if there are any, be those of the weights as they are."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if inner.use_ema:
        averages = inner._model_variables_moving_average
        for average, variable in zip(averages, inner._trainable_variables, strict=True):
            average.assign(variable)


@contextlib.contextmanager
def average_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Give weights their averages meanwhile, if the optimizer that changes them keeps any.

    Batch normalisation's moving statistics, which are averages already, stay. Afterwards the
    weights are what they were, to the last bit.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not _keeps_averages(inner):
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


def _keeps_averages(inner: keras.optimizers.Optimizer) -> bool:
    members = grouped.members_of(inner)
    return inner.use_ema or any(isinstance(member, ScheduleFreeAdamW) for member in members)
