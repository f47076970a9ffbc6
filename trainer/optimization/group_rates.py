"""A learning rate for each group of weights, under one optimizer with one state.

The rate of the optimizer, whoever changes it, goes on to hold for all weights; those of a group
take a part of it.
"""

import functools
from collections.abc import Callable, Iterable, Mapping

import keras

from trainer.optimization import grouped


def scale_learning_rates(
    optimizer: keras.optimizers.Optimizer, factors: Mapping[str, float]
) -> None:
    """Let an optimizer move some weights at a part of its learning rate, weight decay included.

    To be called before a step is compiled.

    Args:
        optimizer: optimizer, built.
        factors: paths of variables, and what the learning rate is multiplied by for each; 1 for
            those that are left out.
    """
    for member in grouped.members_of(optimizer):
        _scale(member, factors)


def _scale(inner: keras.optimizers.Optimizer, factors: Mapping[str, float]) -> None:
    by_index = [factors.get(variable.path, 1.0) for variable in inner._trainable_variables]
    if set(by_index) == {1.0}:
        return

    def factor_of(variable) -> float:
        return by_index[inner._get_variable_index(variable)]

    # On the instance: a subclass of each of Keras's optimizers would do nothing else.
    inner.update_step = functools.partial(_update_step, inner.update_step, factor_of)
    inner._apply_weight_decay = functools.partial(_apply_weight_decay, inner, factor_of)


def _update_step(update_step: Callable, factor_of: Callable, gradient, variable, rate) -> None:
    update_step(gradient, variable, rate * factor_of(variable))


def _apply_weight_decay(
    optimizer: keras.optimizers.Optimizer, factor_of: Callable, variables: Iterable
) -> None:
    """Decay weights, those of each factor by themselves."""
    by_factor: dict[float, list] = {}
    for variable in variables:
        by_factor.setdefault(factor_of(variable), []).append(variable)
    for factor, group in by_factor.items():
        type(optimizer)._apply_weight_decay(_AtRate(optimizer, factor), group)


class _AtRate:
    """An optimizer with a part of its learning rate, for a method that reads that by itself.

    Replicas, which are threads, may be within one at the same time: the optimizer is left alone.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, factor: float) -> None:
        self._optimizer, self._factor = optimizer, factor

    @property
    def learning_rate(self):
        return self._optimizer.learning_rate * self._factor

    def __getattr__(self, name: str):
        return getattr(self._optimizer, name)
