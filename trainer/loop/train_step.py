"""Compiled steps: training on batches, under any strategy.

Several steps run per call, so Python costs nothing between them.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.evaluation import eval_step
from trainer.optimization import gradients, losses

# A replica's part has no Python `if` or `for` in its graph: AutoGraph, which looks for them in
# every layer, would take a second to find none.
_do_not_convert = tf.autograph.experimental.do_not_convert

Sums: TypeAlias = "tf.Tensor | tf.distribute.DistributedValues"
TrainSteps = Callable[[Iterator, tf.Tensor, Sums], Sums]
MakeEvaluate = Callable[[tf.distribute.Strategy, keras.Model], eval_step.Evaluate]


@dataclasses.dataclass(frozen=True)
class StepFns:
    """What a run does with batches.

    Attributes:
        make_train: function that makes `train_steps`, see `make_train_steps`; to be called anew
            when other layers of the model train.
        evaluate: see `eval_step.make_evaluate`.
        first_sums: function of totals, float `[2]`, to sums for `train_steps` to add to.
        total: function of sums to their totals over all replicas, see `total`.
        min_steps_per_loop: number of steps that a call should have, to be worth its beginning and
            its end.
        evaluates_inline: whether evaluation is due while the run trains, or else another process
            does it.
        finite_steps: function of sums to the number of steps since the first sums before the first
            one whose loss was no number, by this process's replicas; None where it is not counted.
    """

    make_train: Callable[[], TrainSteps]
    evaluate: eval_step.Evaluate
    first_sums: Callable[[Sequence[float]], Sums]
    total: Callable[[Sums], np.ndarray]
    min_steps_per_loop: int = 1
    evaluates_inline: bool = True
    finite_steps: Callable[[Sums], int] | None = None


def make_step_fns(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    *arguments,
    make_evaluate: MakeEvaluate = eval_step.make_evaluate,
) -> StepFns:
    """Make steps and evaluation by the replicas of a strategy.

    Args:
        strategy: see `make_train_steps`, as for all others.
        model: likewise.
        *arguments: likewise.
        make_evaluate: function of strategy and model to the evaluation of the run.
    """
    return StepFns(
        functools.partial(make_train_steps, strategy, model, *arguments),
        make_evaluate(strategy, model),
        functools.partial(first_sums, strategy),
        functools.partial(total, strategy),
        finite_steps=functools.partial(finite_steps, strategy),
    )


def make_train_steps(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    config: OptimizationConfig,
    class_weights: np.ndarray | None = None,
) -> TrainSteps:
    """Make `train_steps(iterator, count, sums)`, which takes `count` optimizer steps.

    They change the weights of the layers that train when it is first called.

    Args:
        strategy: strategy under which `model` and `optimizer` were made, the optimizer built.
        model: model to logits.
        optimizer: optimizer, which sums gradients over the replicas by itself. It may have been
            built for layers that do not train now as well: it leaves what it has of them.
        batch_size: global batch size; replicas times `config.grad_accum_steps` divide it.
        config: how a step changes the weights. XLA compiles the gradients and, on one replica, the
            update.
        class_weights: see `losses.make_loss_fn`.

    Returns:
        A function of a distributed iterator over batches of `stream.training`, an int64 count, and
        the sums so far, at first those of `first_sums`; it gives the sums after these steps, see
        `total`. They are handed on and not added up outside, so that they are the same to the last
        bit however a run is cut into calls, and each replica has its own, so that none waits for
        the others.

    Raises:
        UserError: XLA cannot compile the model for several replicas.
    """
    replicas = strategy.num_replicas_in_sync
    accumulate, clip_norm = config.grad_accum_steps, config.clip_norm
    loss_fn = losses.make_loss_fn(config, class_weights)
    gradient_fn = gradients.make_gradient_fn(
        model, optimizer, loss_fn, batch_size, replicas * accumulate
    )
    variables = model.trainable_variables

    def update(reduced: list[tf.Tensor]) -> None:
        optimizer.apply(reduced, variables)

    compiled_update = update
    if config.jit_compile:
        gradients.check_compiles(model, replicas)
        gradient_fn = tf.function(gradient_fn, jit_compile=True)
        # Of several replicas, an optimizer leaves its function to sum gradients: not compiled.
        if replicas == 1:
            compiled_update = tf.function(update, jit_compile=True)

    def apply(local: list[tf.Tensor]) -> None:
        if clip_norm or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            local = gradients.reduce_and_clip(local, optimizer, clip_norm)
        compiled_update(local)

    if accumulate > 1:
        return _make_accumulating_steps(strategy, model, gradient_fn, apply, accumulate)

    @_do_not_convert
    def replica_step(batch: dict[str, tf.Tensor], sums: tf.Tensor) -> tf.Tensor:
        local, more = gradient_fn(batch)
        apply(local)
        return add_to_sums(sums, more)

    @tf.function
    def train_steps(iterator: Iterator, count: tf.Tensor, sums: Sums) -> Sums:
        for _ in tf.range(count):
            sums = strategy.run(replica_step, args=(next(iterator), sums))
        return _on_replicas(strategy, sums)

    return train_steps


def _make_accumulating_steps(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    gradient_fn: gradients.GradientFn,
    apply: Callable[[list[tf.Tensor]], None],
    parts: int,
) -> TrainSteps:
    """Make `train_steps` that add up the gradients of so many parts of a replica's batch.

    The parts are counted across replicas: within a loop of one replica, a layer could not sum over
    all of them, as synchronized batch normalisation does.
    """
    with strategy.scope():
        gradient_sums = [
            tf.Variable(
                tf.zeros(variable.shape, variable.dtype),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for variable in model.trainable_variables
        ]

    @_do_not_convert
    def add_part(batch: dict[str, tf.Tensor], part: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        size = tf.shape(batch["label"])[0] // parts
        local, more = gradient_fn(
            {name: each[part * size : (part + 1) * size] for name, each in batch.items()}
        )
        for variable, gradient in zip(gradient_sums, local, strict=True):
            variable.assign_add(gradient)
        return add_to_sums(sums, more, tf.equal(part, parts - 1))

    @_do_not_convert
    def apply_sums() -> None:
        apply([tf.identity(variable) for variable in gradient_sums])
        for variable in gradient_sums:
            variable.assign(tf.zeros_like(variable))

    @tf.function
    def train_steps(iterator: Iterator, count: tf.Tensor, sums: Sums) -> Sums:
        for _ in tf.range(count):
            batch = next(iterator)
            for part in tf.range(parts):
                # Parts that ran at the same time would all hold their activations.
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                sums = strategy.run(add_part, args=(batch, part, sums))
            strategy.run(apply_sums)
        return _on_replicas(strategy, sums)

    return train_steps


def first_sums(strategy: tf.distribute.Strategy, total: Sequence[float] = (0.0, 0.0)) -> Sums:
    """Return what `train_steps` adds to at first: all of it on the first replica, 0 on others."""

    def local_sums() -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.where(tf.equal(replica, 0), tf.constant([*total, 0.0], tf.float64), 0.0)

    return tf.function(lambda: _on_replicas(strategy, strategy.run(local_sums)))()


def add_to_sums(sums: tf.Tensor, more: tf.Tensor, ends_step: bool | tf.Tensor = True) -> tf.Tensor:
    """Add what a replica has of a step to its sums.

    Args:
        sums: float64 `[3]`: cross-entropy, rank-1 hits, and how many steps there were before the
            cross-entropy was first no number: it never is one again.
        more: float `[2]`, cross-entropy and hits of the step, or of a part of it.
        ends_step: whether it is the step's only part, or its last one.
    """
    added = sums[:2] + tf.cast(more, tf.float64)
    finite = tf.logical_and(tf.math.is_finite(added[0]), ends_step)
    return tf.concat([added, [sums[2] + tf.cast(finite, tf.float64)]], 0)


def _on_replicas(strategy: tf.distribute.Strategy, sums: Sums) -> Sums:
    """Put sums on the devices of their replicas, from which a loop moves them: TensorFlow optimizes
    `train_steps` again for sums that lie elsewhere than the first."""
    return strategy.run(tf.identity, args=(sums,))


def total(strategy: tf.distribute.Strategy, sums: Sums) -> np.ndarray:
    """Return the sums of `train_steps` over all replicas, float64 `[2]`: cross-entropy, with all
    weights as it is trained on, and rank-1 hits of all records."""
    return strategy.reduce("SUM", sums, axis=None).numpy()[:2]


def finite_steps(strategy: tf.distribute.Strategy, sums: Sums) -> int:
    """Return how many steps there were, since `first_sums`, before the first one whose loss was no
    number, of the parts of batches that the replicas of this process took."""
    return min(int(each[2]) for each in strategy.experimental_local_results(sums))
