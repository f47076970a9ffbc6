"""Asynchronous training: workers take steps as they get to them, on weights that servers hold.

The chief reads the batches in their order and schedules a step for each. A worker that is free
takes the next one, computes the gradient at the weights as they are then, and changes them; a step
of a worker that goes meanwhile is taken by another. Where the chief logs, evaluates or saves, no
step is under way: a checkpoint of step t has seen the batches before t, and no other.
"""

import collections
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from trainer.loop import train_step
from trainer.optimization import gradients

# Steps scheduled for each worker, so that it finds the next one when it has done with one.
_AHEAD = 3

# Steps of each worker in a call, at whose end workers wait for the last one of them.
_LEAST = 4


def compiled(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    class_weights: np.ndarray | None = None,
    *,
    workers: int,
    evaluated: keras.Model,
    clip_norm: float = 0.0,
) -> train_step.Compiled:
    """Return the steps of the workers, and evaluation by the chief itself.

    Args:
        strategy: strategy that `parameter_server.connect` made.
        model: model made under it.
        optimizer: optimizer made under it, and built.
        batch_size: images of each step, which one worker takes as a whole.
        class_weights: see `train_step.make_train_steps`.
        workers: how many there are.
        evaluated: the same model, made under no strategy; it gets the weights and is evaluated.
        clip_norm: norm that the gradient of a batch is scaled down to; 0 for never.
    """
    local = tf.distribute.get_strategy()
    evaluate = train_step.make_evaluate(local, evaluated, evaluated.output_shape[-1])

    def evaluate_here(batches: Iterable) -> dict[str, object]:
        evaluated.set_weights(model.get_weights())
        return evaluate(batches)

    step = _make_step(strategy, model, optimizer, batch_size, class_weights, clip_norm)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    train = _make_train_steps(coordinator, step, optimizer, _AHEAD * workers)
    return train_step.Compiled(train, evaluate_here, least=_LEAST * workers, watches=False)


def _make_step(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    class_weights: np.ndarray | None,
    clip_norm: float,
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Make what a worker does with a batch; it gives its cross-entropy and rank-1 hits, float64
    `[2]`."""
    gradients_of = gradients.make(model, optimizer, batch_size, 1, class_weights)

    def replica_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        local, sums = gradients_of(batch)
        clipped = gradients.of_global_batch(local, optimizer, clip_norm) if clip_norm else local
        optimizer.apply(clipped)
        return tf.cast(sums, tf.float64)

    return tf.function(lambda batch: strategy.run(replica_step, args=(batch,)))


def _make_train_steps(
    coordinator: tf.distribute.coordinator.ClusterCoordinator,
    step: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    optimizer: keras.optimizers.Optimizer,
    ahead: int,
) -> train_step.TrainSteps:
    def result(value: tf.distribute.coordinator.RemoteValue) -> np.ndarray:
        try:
            return value.fetch()
        except tf.errors.UnavailableError:
            coordinator.join()  # the worker went before its result was here: another gives one
            return value.fetch()

    def train_steps(batches: Iterator, count: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        taken = int(optimizer.iterations.numpy()) + int(count)
        scheduled: collections.deque = collections.deque()
        total = sums
        for _ in range(int(count)):
            scheduled.append(coordinator.schedule(step, args=(next(batches),)))
            if len(scheduled) > ahead:
                total += result(scheduled.popleft())
        coordinator.join()
        # Two workers that count at the same time count one step.
        optimizer.iterations.assign(taken)
        return total + sum(map(result, scheduled), np.zeros(2))

    return train_steps
