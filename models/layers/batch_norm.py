"""Batch normalisation by the statistics of the global batch, over all replicas."""

import keras
import tensorflow as tf

# TensorFlow's fused operation takes a larger one in place of a smaller.
_SMALLEST_EPSILON = 1.001e-5


class GlobalBatchNormalization(keras.layers.BatchNormalization):
    """Computes what Keras's `BatchNormalization(synchronized=True)` does, sooner.

    Keras puts it together of many small operations, and sums values, their squares and their count
    over the replicas one after the other. Here it is TensorFlow's fused operation, and of several
    replicas one message forth and one back: all have equal parts of a batch.
    """

    def __init__(self, **options) -> None:
        """Takes the options of Keras's, of which it has those with a scale, a shift and channels
        last, and is always synchronized."""
        super().__init__(**{**options, "synchronized": True})
        if not (self.scale and self.center and self.axis == -1) or self.renorm:
            raise ValueError(
                "GlobalBatchNormalization: expected axis=-1, scale=True, center=True and "
                f"renorm=False, received {options}; use keras.layers.BatchNormalization"
            )

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises `[batch, …, channels]`; in training, moves the averages as well."""
        if mask is not None:
            raise ValueError("GlobalBatchNormalization: expected no mask")
        if not training or not self.trainable:
            return super().call(inputs, training=training)
        images = tf.cast(inputs, tf.float32)
        if images.shape.rank != 4:
            images = tf.reshape(images, [-1, 1, 1, images.shape[-1]])
        scale, shift = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        context = tf.distribute.get_replica_context()  # None while a model is built
        replicas = context.num_replicas_in_sync if context else 1
        if replicas == 1 and self.epsilon >= _SMALLEST_EPSILON:
            images, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                images, scale, shift, epsilon=self.epsilon
            )
            variance = _of_sample(variance, _count(images))
        else:
            images, mean, variance = _over_replicas(images, scale, shift, self.epsilon, replicas)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        images = tf.cast(images, self.compute_dtype)
        return images if inputs.shape.rank == 4 else tf.reshape(images, tf.shape(inputs))


def _over_replicas(
    images: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, epsilon: float, replicas: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Images `[batch, rows, columns, channels]` normalised; mean and variance of all replicas'."""
    count = _count(images)

    def mean_of_replicas(*values: tf.Tensor) -> list[tf.Tensor]:
        stacked = tf.stack(values) / replicas
        if replicas > 1:
            context = tf.distribute.get_replica_context()
            stacked = context.all_reduce(tf.distribute.ReduceOp.SUM, stacked)
        return tf.unstack(stacked)

    @tf.custom_gradient
    def normalised(images, scale, shift):
        _, own_mean, own_variance = tf.compat.v1.nn.fused_batch_norm(images, scale, shift)
        within, squares, mean = mean_of_replicas(
            _of_sample(own_variance, count), tf.square(own_mean), own_mean
        )
        variance = within + tf.maximum(squares - tf.square(mean), 0.0)
        inverse = tf.math.rsqrt(variance + epsilon)

        def gradient(above, *_):
            by_replica = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=above,
                x=images,
                scale=scale,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.zeros([0]),
                epsilon=epsilon,
                is_training=False,
            )
            own_by_value, own = by_replica.scale_backprop, by_replica.offset_backprop
            # Of scale and shift each replica gives its own part, which the optimizer sums. But an
            # image is in the statistics of all replicas, and hears from all of them.
            all_, all_by_value = mean_of_replicas(own / count, own_by_value / count)
            slope = -scale * inverse * inverse * all_by_value
            of_statistics = _affine(images, slope, -scale * inverse * all_ - slope * mean)
            return by_replica.x_backprop + of_statistics, own_by_value, own

        outputs = _affine(images, scale * inverse, shift - mean * scale * inverse)
        return (outputs, mean, variance), gradient

    return normalised(images, scale, shift)


def _affine(images: tf.Tensor, slope: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """`images * slope + shift` of each channel: half the time of these two operations."""
    half = tf.fill(tf.shape(slope), 0.5)
    return tf.compat.v1.nn.fused_batch_norm(
        images, slope, shift, tf.zeros_like(half), half, epsilon=0.5, is_training=False
    )[0]


def _of_sample(variance: tf.Tensor, count: tf.Tensor | float) -> tf.Tensor:
    """The fused operation gives the variance as an estimate of a larger population's."""
    return variance * ((count - 1) / count)


def _count(images: tf.Tensor) -> tf.Tensor | float:
    """Values of each channel; known before there are any where the batch's size is."""
    channels = images.shape[-1]
    if images.shape.is_fully_defined():
        return images.shape.num_elements() / channels
    return tf.cast(tf.size(images) // channels, tf.float32)
