"""What a batch costs: cross-entropy by record, with its weights, and the hits beside it."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig

LossFn = Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor]


def cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy of each record, float32 `[batch]`."""
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def rank1_hits(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return 1 for each record whose most probable class is its own, else 0: float32 `[batch]`."""
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=label.dtype), label), tf.float32)


def make_loss_fn(config: OptimizationConfig, class_weights: np.ndarray | None = None) -> LossFn:
    """Make the function of what a batch costs as it is trained on.

    Args:
        config: how a step changes the weights.
        class_weights: factors of the loss of each class's records, float32 `[classes]`; of a mixed
            image, each label's part has its own class's. A record's weight multiplies it as well.

    Returns:
        A function of a batch of `stream.training`, or a part of one, and its logits, float32
        `[batch, classes]`; it gives the loss of each record, float32 `[batch]`.
    """

    def label_losses(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        losses = cross_entropy(label, logits)
        if smoothing := config.label_smoothing:
            # Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016.
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
            losses = (1 - smoothing) * losses + smoothing * uniform
        if class_weights is None:
            return losses
        return losses * tf.gather(tf.constant(class_weights, losses.dtype), label)

    def loss_fn(batch: dict[str, tf.Tensor], logits: tf.Tensor) -> tf.Tensor:
        losses = label_losses(batch["label"], logits)
        if "share" in batch:  # of a mixed image that is its first label's
            share = tf.cast(batch["share"], losses.dtype)
            losses = share * losses + (1 - share) * label_losses(batch["other_label"], logits)
        return losses * tf.cast(batch["weight"], losses.dtype) if "weight" in batch else losses

    return loss_fn
