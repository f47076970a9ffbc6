"""What a batch costs: cross-entropy by record, with its weights, and the hits beside it."""

import keras
import numpy as np
import tensorflow as tf


def cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy of each record, float32 `[batch]`."""
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def rank1_hits(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return 1 for each record whose most probable class is its own, else 0: float32 `[batch]`."""
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=label.dtype), label), tf.float32)


def training_losses(
    batch: dict[str, tf.Tensor], logits: tf.Tensor, class_weights: np.ndarray | None = None
) -> tf.Tensor:
    """Return the loss of each record as it is trained on, float32 `[batch]`.

    Args:
        batch: batch of `stream.training`, or a part of one.
        logits: float32 `[batch, classes]`.
        class_weights: see `train_step.make_train_steps`.
    """

    def by_class(label: tf.Tensor) -> tf.Tensor:
        losses = cross_entropy(label, logits)
        if class_weights is None:
            return losses
        return losses * tf.gather(tf.constant(class_weights, losses.dtype), label)

    losses = by_class(batch["label"])
    if "share" in batch:  # of a mixed image that is its first label's
        share = tf.cast(batch["share"], losses.dtype)
        losses = share * losses + (1 - share) * by_class(batch["other_label"])
    return losses * tf.cast(batch["weight"], losses.dtype) if "weight" in batch else losses
