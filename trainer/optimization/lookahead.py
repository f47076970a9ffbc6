"""Lookahead (Zhang, Lucas, Ba and Hinton, Lookahead Optimizer: k steps forward, 1 step back, 2019).

    optimizer.build(weights)
    lookahead.add(optimizer, steps=5, factor=0.5)

Every so many steps of any optimizer, slow weights go a part of the way to the weights, which go
back there:

    slow = slow + factor·(weights - slow)
    weights = slow

What the optimizer keeps, such as momentum, stays. The moving average is of the weights behind that.
"""

import functools
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from trainer.optimization import grouped
from trainer.optimization.schedule_free import ScheduleFreeAdamW

# Weights, their slow ones, and what else is a place that steps are made from.
_Rows = list[list[keras.Variable]]


def add(optimizer: keras.optimizers.Optimizer, steps: int, factor: float) -> None:
    """Let an optimizer look ahead.

    The slow weights become variables of the optimizer. They are those that the first step begins
    with, whatever the weights were when they were made.

    Args:
        optimizer: optimizer, built; no step that it takes has been compiled yet.
        steps: number of steps ahead.
        factor: part of the way that is kept, from 0 to 1.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    weights = inner._trainable_variables
    slow = inner.add_optimizer_variables(weights, "slow")
    places = _places(inner)
    rows = [
        [variable, own, *places.get(variable.path, [])]
        for variable, own in zip(weights, slow, strict=True)
    ]
    # On the instance, as `group_rates` does it. Keras updates the moving average after this.
    inner._backend_update_step = functools.partial(
        _update_step, inner, inner._backend_update_step, rows, steps, factor
    )


def _update_step(
    optimizer: keras.optimizers.Optimizer,
    update_step: Callable,
    rows: _Rows,
    steps: int,
    factor: float,
    gradients: Sequence,
    variables: Sequence,
    rate,
) -> None:
    step = optimizer.iterations
    _on_each_device(optimizer, rows, lambda: tf.equal(step.value, 0), _begin)
    update_step(gradients, variables, rate)
    _on_each_device(
        optimizer,
        rows,
        lambda: tf.equal((step.value + 1) % steps, 0),
        functools.partial(_go_back, factor),
    )


def _begin(weight: tf.Variable, slow: tf.Variable, *_: tf.Variable) -> None:
    slow.assign(weight)


def _go_back(factor: float, weight: tf.Variable, slow: tf.Variable, *places: tf.Variable) -> None:
    target = slow + factor * (weight - slow)
    for place in places:
        place.assign_add(target - weight)
    slow.assign(target)
    weight.assign(target)


def _places(optimizer: keras.optimizers.Optimizer) -> dict[str, list[keras.Variable]]:
    """Return what moves along with weights, by their paths: Schedule-Free's z, from which it takes
    its steps, and x, which is where y and z say."""
    return {
        weight.path: [z]
        for member in grouped.members_of(optimizer)
        if isinstance(member, ScheduleFreeAdamW)
        for weight, z in zip(member._trainable_variables, member._momentums, strict=True)
    }


def _on_each_device(
    optimizer: keras.optimizers.Optimizer,
    rows: _Rows,
    condition: Callable[[], tf.Tensor],
    change: Callable[..., None],
) -> None:
    """Change variables, where a condition holds, wherever a strategy keeps copies of them."""

    def change_if_due(*row: tf.Variable) -> None:
        def changed() -> tf.Tensor:
            change(*row)
            return tf.constant(True)

        tf.cond(condition(), changed, lambda: tf.constant(False))

    def update(strategy: tf.distribute.Strategy) -> None:
        for weight, *others in rows:
            strategy.extended.update(
                weight.value,
                change_if_due,
                args=tuple(each.value for each in others),
                group=False,
            )

    tf.__internal__.distribute.interim.maybe_merge_call(update, optimizer._distribution_strategy)
