"""The compiled evaluation of images of several labels, under any strategy.

    evaluate = make_evaluate(strategy, model, label_losses)
    evaluate(batches)       # {"rank1": 0.91, …, "map": 0.81, "f1": 0.74, "threshold": 0.42, …}

Average precision needs the scores of all records in one place. Every worker collects them, as one
of them must not choose another threshold than the others.
"""

import functools
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from trainer.evaluation import eval_step, multi_label
from trainer.optimization import losses


def make_evaluate(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    label_losses: losses.LabelLosses,
    on_predictions: eval_step.OnPredictions | None = None,
) -> eval_step.Evaluate:
    """Make `evaluate(batches, threshold)`, which goes once over batches of `stream.evaluation`.

    Args:
        strategy: strategy under which the model was made.
        model: model from images to logits `[batch, classes]`.
        label_losses: function of labels and logits to losses.
        on_predictions: called once with the labels, uint8 `[records, classes]`, and the
            probabilities, float32 `[records, classes]`, of all records, over all workers.

    Returns:
        A function whose result has `rank1` and `rank5` (fractions of the images of which the most
        probable class, or one of the five, is a label), `loss`, `records`, and what
        `multi_label.summarize` gives for a threshold, or for the best one if that is left out; over
        all workers and to the bit the same on each of them.
    """
    replicas = strategy.num_replicas_in_sync
    score = tf.autograph.experimental.do_not_convert(
        functools.partial(_score, model, label_losses, replicas)
    )

    @tf.function
    def evaluate_batch(batch: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        return [strategy.reduce("SUM", each, axis=None) for each in strategy.run(score, (batch,))]

    def evaluate(batches: Iterable, threshold: float | None = None) -> dict[str, float]:
        loss, counts, parts = 0.0, np.zeros(3, np.int64), []
        for batch in batches:
            batch_loss, batch_counts, table = (each.numpy() for each in evaluate_batch(batch))
            loss += float(batch_loss)
            counts += batch_counts
            parts.append(table[table[:, 0] > 0, 1:])
        labels, scores = np.split(np.concatenate(parts), 2, axis=1)
        labels = labels.astype(np.uint8)
        if on_predictions:
            on_predictions(labels, scores)
        numbers = multi_label.summarize(labels, scores, threshold)
        return {**eval_step.fractions(loss, counts), **numbers}

    return evaluate


def _score(
    model: keras.Model,
    label_losses: losses.LabelLosses,
    replicas: int,
    batch: dict[str, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Evaluate a replica's part of a batch.

    Returns:
        The sum of the losses, a float32 scalar; rank-1 hits, rank-5 hits and records, int64 `[3]`;
        and a table, float32 `[records of the global batch, 1 + 2 × classes]`, whose rows are of
        this replica's records whether they count, their labels and their probabilities, and 0 of
        all others: the sum over replicas is exact, whatever the order in which it is taken.
    """
    logits = eval_step.mean_logits(model, batch["image"], is_binary=True)
    label, weight = batch["label"], batch["weight"]
    best = tf.math.top_k(logits, min(eval_step.RANK, logits.shape[-1])).indices
    hits = tf.gather(label, best, axis=1, batch_dims=1) > 0
    counted = tf.cast(weight, tf.int64)
    rows = tf.concat([weight[:, None], tf.cast(label, tf.float32), tf.sigmoid(logits)], axis=1)
    return (
        tf.reduce_sum(label_losses(label, logits) * weight),
        tf.stack([*eval_step.count_hits(hits, counted), tf.reduce_sum(counted)]),
        _place(rows, replicas),
    )


def _place(rows: tf.Tensor, replicas: int) -> tf.Tensor:
    """Put this replica's rows at their place among those of all replicas."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    local = tf.shape(rows)[0]
    table = tf.pad(rows, [[replica * local, (replicas - 1 - replica) * local], [0, 0]])
    size = rows.shape[0]
    return tf.ensure_shape(table, [size and size * replicas, rows.shape[1]])
