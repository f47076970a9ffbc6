"""Batch normalisation by the statistics of the global batch, over all replicas."""

import keras
import tensorflow as tf


class GlobalBatchNormalization(keras.layers.BatchNormalization):
    """Keras's `BatchNormalization(synchronized=True)`, with a third of the messages.

    Keras sums values, their squares and their count over all replicas, one after the other. Here
    the first two are one sum, and the count is known: replicas have equal parts of a batch. Where
    layers are many and quick, that decides whether a second worker is of any use.
    """

    def __init__(self, **options) -> None:
        super().__init__(synchronized=True, **options)

    def _moments(self, inputs: tf.Tensor, mask: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        if mask is not None:
            raise ValueError("GlobalBatchNormalization: expected no mask")
        axes = list(range(inputs.shape.rank - 1))
        count = tf.size(inputs) // tf.shape(inputs)[-1]
        sums = tf.stack([tf.reduce_sum(inputs, axes), tf.reduce_sum(tf.square(inputs), axes)])
        context = tf.distribute.get_replica_context()  # None while a model is built
        if context and context.num_replicas_in_sync > 1:
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
            count *= context.num_replicas_in_sync
        mean, squares = tf.unstack(sums / tf.cast(count, sums.dtype))
        return mean, tf.maximum(squares - tf.square(mean), 0.0)
