"""The gradient of a global batch: what a replica has of it, and how all of it is clipped.

Losses divide by the global batch size, a constant, and gradients are summed over replicas; so N
replicas on a global batch give the gradients that one gives.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from headrace.errors import UserError

Gradients = Callable[[dict[str, tf.Tensor]], tuple[list[tf.Tensor], tf.Tensor]]


def make(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    parts: int,
    class_weights: np.ndarray | None = None,
) -> Gradients:
    """Makes `gradients_of(part)`, which a replica calls.

    Args:
        model: to logits.
        optimizer: says by what the loss is scaled.
        batch_size: global.
        parts: equal parts that the global batch is taken in, over all replicas.
        class_weights: see `steps.make_train_steps`.

    Returns:
        A function of a part of a batch of `stream.training`; it gives the gradient of each
        trainable variable, to be summed over all parts, and float32 `[2]`: the part's
        cross-entropy, with all weights, and rank-1 hits.
    """

    def weighted(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        losses = cross_entropy(label, logits)
        if class_weights is None:
            return losses
        return losses * tf.gather(tf.constant(class_weights, losses.dtype), label)

    def losses_of(batch: dict[str, tf.Tensor], logits: tf.Tensor) -> tf.Tensor:
        losses = weighted(batch["label"], logits)
        if "share" in batch:  # of a mixed image that is its own label's
            share = tf.cast(batch["share"], losses.dtype)
            losses = share * losses + (1 - share) * weighted(batch["other_label"], logits)
        return losses * tf.cast(batch["weight"], losses.dtype) if "weight" in batch else losses

    def gradients_of(batch: dict[str, tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = model(batch["image"], training=True)
            total = tf.reduce_sum(losses_of(batch, logits))
            # Every part has the same penalties: their sum over parts must count them once.
            loss = total / batch_size + tf.add_n(model.losses or [0.0]) / parts
            scaled = optimizer.scale_loss(loss)
        hits = tf.reduce_sum(rank1_hits(batch["label"], logits))
        return tape.gradient(scaled, model.trainable_variables), tf.stack([total, hits])

    return gradients_of


def of_global_batch(
    gradients: list[tf.Tensor], optimizer: keras.optimizers.Optimizer, clip_norm: float
) -> list[tf.Tensor]:
    """Sums gradients over the replicas, clips the sum, and shares it out again.

    An optimizer sums gradients itself, but after it has clipped each replica's alone, and after
    `LossScaleOptimizer` has looked for overflow on the first replica alone.

    Args:
        gradients: of this replica, called on each.
        optimizer: which takes them next and sums them again, hence the share.
        clip_norm: the norm over all variables that the sum, unscaled, is clipped to; 0 for none.
    """
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    if clip_norm:
        summed, _ = tf.clip_by_global_norm(summed, optimizer.scale_loss(clip_norm))
    return [gradient / context.num_replicas_in_sync for gradient in summed]


def check_compiles(model: keras.Model, replicas: int) -> None:
    """Makes sure that XLA can compile the gradients of a replica.

    Raises:
        UserError: a layer sums over replicas.
    """
    if replicas > 1 and any(layer.synchronized for layer in _batch_normalisation(model)):
        raise UserError(
            f"--jit_compile: XLA cannot compile {model.name} for {replicas} replicas, because its "
            "batch normalisation waits for sums over all of them in the middle of the model; "
            "leave out --jit_compile, or use one device"
        )


def cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Of each record, float32 `[batch]`."""
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def rank1_hits(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """1 for each record whose most probable class is its own, else 0: float32 `[batch]`."""
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=label.dtype), label), tf.float32)


def _batch_normalisation(layer: keras.Layer) -> list[keras.layers.BatchNormalization]:
    if isinstance(layer, keras.layers.BatchNormalization):
        return [layer]
    return [
        found for inner in getattr(layer, "layers", []) for found in _batch_normalisation(inner)
    ]
