"""The compiled steps: training on batches and counting hits on a split, under any strategy.

Losses divide by the global batch size, a constant, and are summed over replicas; so N replicas on
a global batch give the gradients that one gives. Several steps run per call, so Python costs
nothing between them.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

RANK = 5

TrainSteps = Callable[[Iterator, tf.Tensor, tf.Tensor], tf.Tensor]


def make_train_steps(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    class_weights: np.ndarray | None = None,
) -> TrainSteps:
    """Makes `train_steps(iterator, count, sums)`, which takes `count` optimizer steps.

    Args:
        strategy: under which `model` and `optimizer` were made, the optimizer built.
        model: to logits.
        optimizer: sums gradients over the replicas by itself.
        batch_size: global.
        class_weights: by which the loss of each class's records is multiplied, float32
            `[classes]`; of a mixed image, each label's part by its own class's. A record's own
            weight multiplies it as well.

    Returns:
        A function of a distributed iterator over batches of `stream.training`, an int64 count, and
        the sums so far; it gives the sums after these steps. Sums are float64 `[2]`: cross-entropy
        with all these weights, as it is trained on, and rank-1 hits of all records. They are handed
        on and not added up outside, so that they are the same to the last bit however a run is cut
        into calls.
    """
    replicas = strategy.num_replicas_in_sync

    def weighted(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        cross_entropy = _cross_entropy(label, logits)
        if class_weights is None:
            return cross_entropy
        return cross_entropy * tf.gather(tf.constant(class_weights, cross_entropy.dtype), label)

    def replica_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch["image"], training=True)
            cross_entropy = weighted(batch["label"], logits)
            if "share" in batch:  # of a mixed image that is its own label's
                share = tf.cast(batch["share"], cross_entropy.dtype)
                other = weighted(batch["other_label"], logits)
                cross_entropy = share * cross_entropy + (1 - share) * other
            if "weight" in batch:
                cross_entropy *= tf.cast(batch["weight"], cross_entropy.dtype)
            cross_entropy = tf.reduce_sum(cross_entropy)
            # Every replica has the same penalties: their sum over replicas must count them once.
            loss = cross_entropy / batch_size + tf.add_n(model.losses or [0.0]) / replicas
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return tf.stack([cross_entropy, tf.reduce_sum(_rank1_hits(batch["label"], logits))])

    @tf.function
    def train_steps(iterator: Iterator, count: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        for _ in tf.range(count):
            per_replica = strategy.run(replica_step, args=(next(iterator),))
            sums += tf.cast(strategy.reduce("SUM", per_replica, axis=None), tf.float64)
        return sums

    return train_steps


def make_evaluate(
    strategy: tf.distribute.Strategy, model: keras.Model, classes: int
) -> Callable[[Iterable], dict[str, object]]:
    """Makes `evaluate(batches)`, which goes once over distributed batches of `stream.evaluation`.

    Returns:
        A function whose result has `loss` (mean cross-entropy), `rank1` and `rank5` (fractions),
        `records`, and `confusion`: int64 `[classes, classes]`, rows true, columns predicted.
    """

    def replica_step(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        logits = _mean_logits(model, batch["image"])
        label, weight = batch["label"], batch["weight"]
        best = tf.math.top_k(logits, min(RANK, classes)).indices
        in_best = tf.reduce_any(tf.equal(tf.cast(best, label.dtype), label[:, None]), axis=1)
        return (
            tf.reduce_sum(_cross_entropy(label, logits) * weight),
            tf.reduce_sum(tf.cast(in_best, tf.float32) * weight),
            tf.math.confusion_matrix(
                label, best[:, 0], classes, weights=tf.cast(weight, tf.int64), dtype=tf.int64
            ),
        )

    @tf.function
    def evaluate_batch(batch: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        sums = strategy.run(replica_step, args=(batch,))
        return [strategy.reduce("SUM", each, axis=None) for each in sums]

    def evaluate(batches: Iterable) -> dict[str, object]:
        loss = rank5_hits = 0.0
        confusion = np.zeros((classes, classes), np.int64)
        for batch in batches:
            batch_loss, batch_hits, batch_confusion = evaluate_batch(batch)
            loss += float(batch_loss)
            rank5_hits += float(batch_hits)
            confusion += batch_confusion.numpy()
        records = int(confusion.sum())
        return {
            "loss": loss / records,
            "rank1": float(np.trace(confusion)) / records,
            "rank5": rank5_hits / records,
            "records": records,
            "confusion": confusion,
        }

    return evaluate


def _mean_logits(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Logits of images `[batch, …]`; of several views each, `[batch, views, …]`, the logarithm of
    the mean of the views' probabilities."""
    if images.shape.rank == 4:
        return model(images, training=False)
    views = tf.reshape(images, [-1, *images.shape[2:]])
    log_probabilities = tf.nn.log_softmax(model(views, training=False))
    each = tf.reshape(log_probabilities, [-1, images.shape[1], log_probabilities.shape[-1]])
    return tf.reduce_logsumexp(each, axis=1) - math.log(images.shape[1])


def _cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def _rank1_hits(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=label.dtype), label), tf.float32)
