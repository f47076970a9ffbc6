"""The steps of asynchronous training, which workers take as they get to them.

The chief reads the batches in their order and schedules a step for each. A worker that is free
takes the next one, computes the gradient at the weights as they are then, and changes them; a step
of a worker that goes meanwhile is taken by another. At the end of a call no step is in flight: a
checkpoint of step t has seen the batches before t, and no other. The processes are those of
`distribution.parameter_server`.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.evaluation import eval_step
from trainer.loop import train_step
from trainer.optimization import gradients, losses

# Steps scheduled for each worker, so that it finds the next one when it has done with one.
_AHEAD = 3

# Steps of each worker in a call, at whose end workers wait for the last one of them.
_MIN_STEPS_OF_WORKER = 4

WorkerStep = Callable[[dict[str, tf.Tensor]], tf.Tensor]


def make_step_fns(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    config: OptimizationConfig,
    class_weights: np.ndarray | None = None,
    *,
    workers: int,
    local_model: keras.Model,
    make_evaluate: train_step.MakeEvaluate = eval_step.make_evaluate,
) -> train_step.StepFns:
    """Make the steps of the workers, and evaluation by the chief itself.

    Args:
        strategy: strategy of `parameter_server.connect`.
        model: model, made under it.
        optimizer: its optimizer, likewise, built.
        batch_size: size of each step's batch, which one worker takes as a whole.
        config: how a step changes the weights.
        class_weights: see `losses.make_loss_fn`.
        workers: number of workers.
        local_model: the same model, made under no strategy; it gets the weights and is evaluated.
        make_evaluate: function of strategy and model to the evaluation of the run.
    """
    here = tf.distribute.get_strategy()
    evaluate = make_evaluate(here, local_model)

    def evaluate_here(batches: Iterable, **options: float) -> dict[str, float]:
        local_model.set_weights(model.get_weights())
        return evaluate(batches, **options)

    loss_fn = losses.make_loss_fn(config, class_weights)
    gradient_fn = gradients.make_gradient_fn(model, optimizer, loss_fn, batch_size, 1)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)

    def make_train_steps() -> train_step.TrainSteps:
        step = _make_worker_step(strategy, model, optimizer, gradient_fn, config.clip_norm)
        return _make_train_steps(coordinator, step, optimizer, _AHEAD * workers)

    return train_step.StepFns(
        make_train_steps,
        evaluate_here,
        functools.partial(train_step.first_sums, here),
        functools.partial(train_step.total, here),
        min_steps_per_loop=_MIN_STEPS_OF_WORKER * workers,
        evaluates_inline=False,
        finite_steps=functools.partial(train_step.finite_steps, here),
    )


def _make_worker_step(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    gradient_fn: gradients.GradientFn,
    clip_norm: float,
) -> WorkerStep:
    """Make what a worker does with a batch: it gives its cross-entropy and rank-1 hits, float64
    `[2]`."""

    def replica_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        local, sums = gradient_fn(batch)
        if clip_norm:
            local = gradients.reduce_and_clip(local, optimizer, clip_norm)
        optimizer.apply(local, model.trainable_variables)
        return tf.cast(sums, tf.float64)

    return tf.function(lambda batch: strategy.run(replica_step, args=(batch,)))


def _make_train_steps(
    coordinator: tf.distribute.coordinator.ClusterCoordinator,
    step: WorkerStep,
    optimizer: keras.optimizers.Optimizer,
    ahead: int,
) -> train_step.TrainSteps:
    """Make `train_steps`, which schedules a step for each batch, so many ahead of their results."""

    def fetch(value: tf.distribute.coordinator.RemoteValue) -> np.ndarray:
        try:
            return value.fetch()
        except tf.errors.UnavailableError:
            coordinator.join()  # the worker went before its result was here: another gives one
            return value.fetch()

    def train_steps(batches: Iterator, count: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        iterations = int(optimizer.iterations.numpy()) + int(count)
        in_flight: collections.deque = collections.deque()
        total = sums
        for _ in range(int(count)):
            in_flight.append(coordinator.schedule(step, args=(next(batches),)))
            if len(in_flight) > ahead:
                total = train_step.add_to_sums(total, fetch(in_flight.popleft()))
        coordinator.join()
        # Two workers that count at the same time count one step.
        optimizer.iterations.assign(iterations)
        for value in in_flight:
            total = train_step.add_to_sums(total, fetch(value))
        return total

    return train_steps
