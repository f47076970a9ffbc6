"""What a batch costs: the loss of each record, with its weights, and the hits beside it."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.config import loss
from trainer.config.optimization import OptimizationConfig

LossFn = Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor]

# A function of labels, int64 `[batch]` or of several labels uint8 `[batch, classes]` (1 for each
# class that is there), and of logits, float32 `[batch, classes]`, to losses, float32 `[batch]`.
LabelLosses = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy of each record, float32 `[batch]`."""
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def is_multi_label(label: tf.Tensor) -> bool:
    """Return whether labels say of each class whether it is there, `[batch, classes]`."""
    return len(label.shape) == 2


def rank1_hits(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return 1 for each record whose most probable class is its own, or one of its own, else 0:
    float32 `[batch]`."""
    if is_multi_label(label):
        best = tf.argmax(logits, axis=1)
        return tf.cast(tf.gather(label, best, axis=1, batch_dims=1), tf.float32)
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=label.dtype), label), tf.float32)


def make_loss_fn(config: OptimizationConfig, class_weights: np.ndarray | None = None) -> LossFn:
    """Make the function of what a batch costs as it is trained on.

    Args:
        config: how a step changes the weights.
        class_weights: factors of the loss of each class's records, float32 `[classes]`; of a mixed
            image, each label's part has its own class's. In a binary loss they multiply what a
            class costs where it is there (`pos_weight` of `weighted_cross_entropy_with_logits`). A
            record's weight multiplies all of it as well.

    Returns:
        A function of a batch of `stream.training`, or a part of one, and its logits, float32
        `[batch, classes]`; it gives the loss of each record, float32 `[batch]`.
    """
    label_losses = _make_label_losses(config, class_weights)

    def loss_fn(batch: dict[str, tf.Tensor], logits: tf.Tensor) -> tf.Tensor:
        losses = label_losses(batch["label"], logits)
        if "share" in batch:  # of a mixed image that is its first label's
            share = tf.cast(batch["share"], losses.dtype)
            losses = share * losses + (1 - share) * label_losses(batch["other_label"], logits)
        return losses * tf.cast(batch["weight"], losses.dtype) if "weight" in batch else losses

    return loss_fn


def make_eval_losses(config: OptimizationConfig) -> LabelLosses:
    """Make the function of what a record costs where it is evaluated: the loss that is trained
    with, of labels as they are and classes that count alike."""
    return _make_label_losses(dataclasses.replace(config, label_smoothing=0.0), None)


def of_guessing(config: OptimizationConfig, classes: int, multi_label: bool) -> float:
    """Return what a record costs a model for which all classes are as likely; of a binary loss,
    each as likely to be there as not."""
    label = np.zeros((1, classes), np.uint8) if multi_label else np.zeros(1, np.int64)
    cost = make_eval_losses(config)(tf.constant(label), tf.zeros([1, classes]))
    return float(cost[0])


def _make_label_losses(config: OptimizationConfig, class_weights: np.ndarray | None) -> LabelLosses:
    smoothing = config.label_smoothing

    def label_losses(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        name = loss.resolve(config.loss, is_multi_label(label))
        options = {**loss.LOSSES[name], **config.loss_options}
        if loss.is_binary(name):
            return _binary_losses(label, logits, smoothing, class_weights, options)
        losses = (_focal if name == "focal" else _cross_entropy)(label, logits, smoothing, options)
        if class_weights is None:
            return losses
        return losses * tf.gather(tf.constant(class_weights, losses.dtype), label)

    return label_losses


def _cross_entropy(label: tf.Tensor, logits: tf.Tensor, smoothing: float, _: dict) -> tf.Tensor:
    losses = cross_entropy(label, logits)
    if smoothing:
        # Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016.
        uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
        losses = (1 - smoothing) * losses + smoothing * uniform
    return losses


def _focal(label: tf.Tensor, logits: tf.Tensor, smoothing: float, options: dict) -> tf.Tensor:
    """Return the focal loss of the softmax (Lin et al., Focal Loss for Dense Object Detection,
    2017, equation 5, of the probability of the label).

    Keras's clips probabilities: of a label below 1e-7, the hardest there is, it has no gradient.
    """
    classes = logits.shape[-1]
    target = tf.one_hot(label, classes, dtype=logits.dtype)
    target = (1 - smoothing) * target + smoothing / classes
    log_probabilities = tf.nn.log_softmax(logits)
    # A power below 1 has no gradient at 0.
    doubt = tf.maximum(1 - tf.exp(log_probabilities), keras.backend.epsilon())
    terms = target * doubt ** options["gamma"] * log_probabilities
    return -options["alpha"] * tf.reduce_sum(terms, axis=1)


def _binary_losses(
    label: tf.Tensor,
    logits: tf.Tensor,
    smoothing: float,
    class_weights: np.ndarray | None,
    options: dict,
) -> tf.Tensor:
    """Return the mean over the classes, as Keras takes it, of what each costs: as if present by the
    part that its label is 1, and as if absent by the rest."""
    if is_multi_label(label):
        present = tf.cast(label, logits.dtype)
    else:
        present = tf.one_hot(label, logits.shape[-1], dtype=logits.dtype)
    present = (1 - smoothing) * present + smoothing / 2
    absent = 1 - present
    if class_weights is not None:
        present *= tf.constant(class_weights, logits.dtype)
    terms = (part * _binary_terms(logits, s, options) for part, s in ((present, 1), (absent, -1)))
    return tf.reduce_mean(tf.add(*terms), axis=1)


def _binary_terms(logits: tf.Tensor, sign: int, options: dict) -> tf.Tensor:
    """Return what each class costs, `[batch, classes]`, if it is present (sign 1) or absent (-1).

    With a `gamma` it is the focal loss (Lin et al., 2017, equation 5). Keras's has gradients that
    are no numbers where the probability is 1 and `gamma` is less than 1.
    """
    each = logits[..., None]  # Keras takes the mean over the last axis: here of one
    targets = tf.fill(tf.shape(each), tf.cast((1 + sign) / 2, logits.dtype))
    terms = keras.losses.binary_crossentropy(targets, each, from_logits=True)
    if not options:
        return terms
    alpha = options["alpha"] if sign == 1 else 1 - options["alpha"]
    return alpha * tf.exp(options["gamma"] * tf.math.log_sigmoid(-sign * logits)) * terms
