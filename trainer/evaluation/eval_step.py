"""The compiled evaluation: what a model gets right of a split, under any strategy.

    evaluate = make_evaluate(strategy, model)
    evaluate(batches)         # {"rank1": 0.91, "rank5": 0.99, "loss": 0.31, "records": 10000}

A batch gives a few sums over the replicas, and of each record which class it was taken for: memory
and time are linear in images and in logits. A confusion matrix of each batch would have the square
of the classes.
"""

import functools
import math
from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from trainer.optimization import losses

RANK = 5

# Receives int64 `[records]` each: the true and the predicted classes of some records.
OnPredictions = Callable[[np.ndarray, np.ndarray], object]

# Of images of several labels it takes the threshold of a label as well, see `multi_label_step`.
Evaluate = Callable[..., dict[str, float]]

# What is logged of a result, as far as it has it.
NUMBERS = ("rank1", "rank5", "loss", "records", "map", "f1", "macro_f1", "threshold")


def make_evaluate(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    on_predictions: OnPredictions | None = None,
    *,
    label_losses: losses.LabelLosses = losses.cross_entropy,
    is_binary: bool = False,
) -> Evaluate:
    """Make `evaluate(batches)`, which goes once over distributed batches of `stream.evaluation`.

    Args:
        strategy: strategy under which the model was made.
        model: model from images to logits `[batch, classes]`.
        on_predictions: called for each batch with the classes of this process's records.
        label_losses: function of labels and logits to losses.
        is_binary: whether probabilities are sigmoids of the logits, or else their softmax.

    Returns:
        A function whose result has `rank1` and `rank5` (fractions), `loss` (the mean) and
        `records`, over all workers and to the bit the same on each of them.
    """

    # A replica's part has no Python `if` or `for` in its graph: AutoGraph, which looks for them in
    # every layer, would take a second to find none.
    count = tf.autograph.experimental.do_not_convert(
        functools.partial(_count, model, label_losses, is_binary)
    )

    @tf.function
    def evaluate_batch(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        loss, counts, predictions = strategy.run(count, args=(batch,))
        # The loss by itself: workers that add up a vector in a ring add each of its numbers in
        # another order.
        loss, counts = (strategy.reduce("SUM", each, axis=None) for each in (loss, counts))
        return loss, counts, predictions

    def evaluate(batches: Iterable) -> dict[str, float]:
        loss, counts = 0.0, np.zeros(3, np.int64)
        for batch in batches:
            batch_loss, batch_counts, predictions = evaluate_batch(batch)
            loss += float(batch_loss)
            counts += batch_counts.numpy()
            if on_predictions:
                local = strategy.experimental_local_results(predictions)
                labels, predicted, counted = np.concatenate([each.numpy() for each in local], 1)
                on_predictions(labels[counted > 0], predicted[counted > 0])
        return fractions(loss, counts)

    return evaluate


def fractions(loss: float, counts: np.ndarray) -> dict[str, float]:
    """Return `rank1`, `rank5`, `loss` and `records` of the sum of losses, and of rank-1 hits,
    rank-5 hits and records, int64 `[3]`."""
    rank1, rank5, records = counts.tolist()
    return {
        "rank1": rank1 / records,
        "rank5": rank5 / records,
        "loss": loss / records,
        "records": records,
    }


def _count(
    model: keras.Model,
    label_losses: losses.LabelLosses,
    is_binary: bool,
    batch: dict[str, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Evaluate a replica's part of a batch.

    Returns:
        The sum of the losses, a float32 scalar; rank-1 hits, rank-5 hits and records,
        int64 `[3]`; and of each record the true class, the predicted one and whether it counts, 0
        or 1, int64 `[3, records]`.
    """
    logits = mean_logits(model, batch["image"], is_binary)
    label, weight = batch["label"], batch["weight"]
    best = tf.cast(tf.math.top_k(logits, min(RANK, logits.shape[-1])).indices, label.dtype)
    hits = tf.equal(best, label[:, None])
    counted = tf.cast(weight, tf.int64)
    rank1, rank5 = count_hits(hits, counted)
    return (
        tf.reduce_sum(label_losses(label, logits) * weight),
        tf.stack([rank1, rank5, tf.reduce_sum(counted)]),
        tf.stack([label, best[:, 0], counted]),
    )


def count_hits(hits: tf.Tensor, counted: tf.Tensor) -> list[tf.Tensor]:
    """Return rank-1 and rank-5 hits, int64.

    Args:
        hits: whether each record's most probable classes, the best first, are right, bool
            `[batch, RANK]`.
        counted: whether each record counts, 0 or 1, int64 `[batch]`.
    """
    return [
        tf.reduce_sum(tf.cast(hit, tf.int64) * counted)
        for hit in (hits[:, 0], tf.reduce_any(hits, axis=1))
    ]


def mean_logits(model: keras.Model, images: tf.Tensor, is_binary: bool = False) -> tf.Tensor:
    """Return logits of images `[batch, …]`; of several views each, `[batch, views, …]`, those of
    the mean of the views' probabilities: these are sigmoids, or else a softmax."""
    if images.shape.rank == 4:
        return model(images, training=False)
    views = tf.reshape(images, [-1, *images.shape[2:]])
    logits = model(views, training=False)

    def log_mean(log_probabilities: tf.Tensor) -> tf.Tensor:
        each = tf.reshape(log_probabilities, [-1, images.shape[1], log_probabilities.shape[-1]])
        return tf.reduce_logsumexp(each, axis=1) - math.log(images.shape[1])

    if is_binary:
        return log_mean(tf.math.log_sigmoid(logits)) - log_mean(tf.math.log_sigmoid(-logits))
    return log_mean(tf.nn.log_softmax(logits))
