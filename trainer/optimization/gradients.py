"""The gradient of a global batch: what a replica has of it, and how all of it is clipped.

Losses divide by the global batch size, a constant, and gradients are summed over replicas; so N
replicas on a global batch give the gradients that one gives.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from headrace.errors import UserError
from trainer.optimization import losses

GradientFn = Callable[[dict[str, tf.Tensor]], tuple[list[tf.Tensor], tf.Tensor]]


def make_gradient_fn(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_fn: losses.LossFn,
    batch_size: int,
    parts: int,
) -> GradientFn:
    """Make `gradient_fn(part)`, which a replica calls.

    Args:
        model: model to logits.
        optimizer: optimizer that says by what the loss is scaled.
        loss_fn: see `losses.make_loss_fn`.
        batch_size: global batch size.
        parts: number of equal parts that the global batch is taken in, over all replicas.

    Returns:
        A function of a part of a batch of `stream.training`; it gives the gradient of each
        trainable variable, to be summed over all parts, and float32 `[2]`: the part's
        cross-entropy, with all weights, and rank-1 hits.
    """

    def gradient_fn(batch: dict[str, tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = model(batch["image"], training=True)
            total = tf.reduce_sum(loss_fn(batch, logits))
            # Every part has the same penalties: their sum over parts must count them once.
            loss = total / batch_size + tf.add_n(model.losses or [0.0]) / parts
            scaled = optimizer.scale_loss(loss)
        hits = tf.reduce_sum(losses.rank1_hits(batch["label"], logits))
        return tape.gradient(scaled, model.trainable_variables), tf.stack([total, hits])

    return gradient_fn


def reduce_and_clip(
    gradients: list[tf.Tensor], optimizer: keras.optimizers.Optimizer, clip_norm: float
) -> list[tf.Tensor]:
    """Sum gradients over the replicas, clip the sum, and share it out again.

    An optimizer sums gradients itself, but after it has clipped each replica's alone, and after
    `LossScaleOptimizer` has looked for overflow on the first replica alone.

    Args:
        gradients: gradients of this replica; all replicas call this.
        optimizer: optimizer that takes them next and sums them again, hence the share.
        clip_norm: norm over all variables that the sum, unscaled, is clipped to; 0 for none.
    """
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    if clip_norm:
        summed, _ = tf.clip_by_global_norm(summed, optimizer.scale_loss(clip_norm))
    return [gradient / context.num_replicas_in_sync for gradient in summed]


def check_compiles(model: keras.Model, replicas: int) -> None:
    """Make sure that XLA can compile the gradients of a replica.

    Raises:
        UserError: a layer sums over replicas.
    """
    if replicas > 1 and any(layer.synchronized for layer in _batch_normalisation(model)):
        raise UserError(
            f"`jit_compile`: XLA cannot compile {model.name} for {replicas} replicas, because its "
            "batch normalisation waits for sums over all of them in the middle of the model; "
            "leave out `jit_compile`, or use one device"
        )


def _batch_normalisation(layer: keras.Layer) -> list[keras.layers.BatchNormalization]:
    if isinstance(layer, keras.layers.BatchNormalization):
        return [layer]
    return [each for inner in getattr(layer, "layers", []) for each in _batch_normalisation(inner)]
