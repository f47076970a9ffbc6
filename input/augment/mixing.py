"""Two images in one: mixup and CutMix.

An image is mixed with the next one of its *lane*: a lane's images come one after the other, and a
pipeline has all of them, so the batch is the same through any number of pipelines. Which records
are neighbours is the shuffle's business. The label is then two labels and a share:

    images, labels, others, share = mixup(images, labels, rng, per_lane=16, alpha=0.2)
    loss = share * cross_entropy(labels) + (1 - share) * cross_entropy(others)
"""

import tensorflow as tf

from headrace.errors import UsageError
from input.augment.rng import BatchRng

Mixed = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def mixup(
    images: tf.Tensor, labels: tf.Tensor, rng: BatchRng, per_lane: int, alpha: float
) -> Mixed:
    """Return the weighted mean of two images (Zhang et al., mixup, 2018), rounded to whole levels.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, those of whole lanes.
        labels: int64 `[batch]`, or `[batch, classes]` where images have several.
        rng: of these images.
        per_lane: images of one lane, `batch_size / lanes`.
        alpha: the share is from Beta(alpha, alpha), drawn for each image; the paper has 0.1 to 0.4
            on ImageNet and 1 on CIFAR.

    Returns:
        Images and labels as they came in, the partners' labels, of the same kind, and the share
        of the first label, float32 `[batch]`.

    Raises:
        UsageError: a lane has only one image.
    """
    share = rng.beta("mixup/share", alpha)
    others = _partners(images, per_lane)
    part = share[:, None, None, None]
    mixed = part * tf.cast(images, tf.float32) + (1 - part) * tf.cast(others, tf.float32)
    return tf.cast(tf.round(mixed), tf.uint8), labels, _partners(labels, per_lane), share


def cutmix(
    images: tf.Tensor, labels: tf.Tensor, rng: BatchRng, per_lane: int, alpha: float
) -> Mixed:
    """Put a rectangle of another image into each (Yun et al., CutMix, 2019).

    The rectangle has the image's shape and 1 - λ of its area, with λ from Beta(alpha, alpha), and
    its centre anywhere; what sticks out of the image is cut off. Both are drawn for each image.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, those of whole lanes.
        labels: int64 `[batch]`.
        rng: of these images.
        per_lane: images of one lane, `batch_size / lanes`.
        alpha: 1 in the paper.

    Returns:
        As `mixup`; the share is the part of the area that is still the first image's, exactly.

    Raises:
        UsageError: a lane has only one image.
    """
    rows, columns = images.shape[1:3]
    area = 1 - rng.beta("cutmix/share", alpha)
    row = _between(area, rng.randint("cutmix/row", rows), rows)
    column = _between(area, rng.randint("cutmix/column", columns), columns)
    others = _partners(images, per_lane)
    inside = row[:, :, None, None] & column[:, None, :, None]
    covered = tf.math.count_nonzero(row, 1) * tf.math.count_nonzero(column, 1)
    share = tf.cast(1 - covered / (rows * columns), tf.float32)
    return tf.where(inside, others, images), labels, _partners(labels, per_lane), share


def _between(area: tf.Tensor, centre: tf.Tensor, size: int) -> tf.Tensor:
    """Return the places that the square root of `area` of all covers: bool `[batch, size]`.

    Without a square root, whose last bit may differ between the places of a vector.
    """
    lengths = tf.range(1, size + 1, dtype=tf.float32)
    fits = lengths * lengths <= area[:, None] * size**2
    length = tf.math.count_nonzero(fits, 1, keepdims=True, dtype=tf.int32)
    start = centre[:, None] - length // 2
    place = tf.range(size)
    return (place >= start) & (place < start + length)


def _partners(values: tf.Tensor, per_lane: int) -> tf.Tensor:
    """Return what belongs to the next image of the lane; the last one's partner is the first."""
    if per_lane < 2:
        raise UsageError(
            "mixup and CutMix need two images of each lane in a batch, and there is one; use "
            "fewer `lanes` or a larger `batch_size`"
        )
    lanes = tf.reshape(values, [-1, per_lane, *values.shape[1:]])
    return tf.reshape(tf.roll(lanes, -1, 1), tf.shape(values))
