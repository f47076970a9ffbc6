"""Rectangles taken out of images, so that a model learns from the whole of the object.

    images = erasing.random_erasing(images, rng, probability=0.25, fill="random")
    images = erasing.cutout(images, rng, side=16)

Both replace what is there, and keep the label.
"""

import dataclasses

import tensorflow as tf

from input.augment import resized_crops
from input.augment.rng import BatchRng

FILLS = ("mean", "constant", "random")


def random_erasing(
    images: tf.Tensor,
    rng: BatchRng,
    *,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
    fill: str = "random",
    fill_value: int = 0,
) -> tf.Tensor:
    """Replace a rectangle of some of the images (Zhong et al. 2020, whose numbers are defaults).

    Of ten tries the first that fits in the image is taken; where none does, the image stays. The
    aspect ratio is log-uniform, so lying and standing rectangles are as likely.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: of the batch.
        probability: with which an image loses a rectangle.
        area: smallest and largest fraction of the image's area.
        aspect: smallest and largest columns per row.
        fill: one of `FILLS`: the image's own mean per channel, `fill_value`, or noise, uniform,
            another number for each pixel and channel; the noise is the same for the images of a
            batch.
        fill_value: 0-255, for "constant".

    Returns:
        uint8, the shape of `images`.
    """
    numbers = rng.uniform("random erasing", resized_crops.TRIES, 4)
    shape = tf.constant([[*images.shape[1:3]]])
    *edges, fits = resized_crops.tries(numbers, shape, area, aspect)
    first = tf.argmax(tf.cast(fits, tf.uint8), -1)
    top, left, rows, columns = (
        tf.cast(tf.gather(edge, first, batch_dims=1), tf.int32) for edge in edges
    )
    happens = rng.bernoulli("random erasing happens", probability) & tf.reduce_any(fits, -1)
    rows = tf.where(happens, rows, 0)
    filling = _filling(images, rng, fill, fill_value)
    return _paste(images, filling, (top, top + rows), (left, left + columns))


def cutout(images: tf.Tensor, rng: BatchRng, side: int, fill_value: int = 0) -> tf.Tensor:
    """Replace a square of each image (DeVries & Taylor 2017).

    Its centre is any pixel with the same chance, so it may reach over the border and then takes
    less.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: of the batch.
        side: of the square, in pixels; 0 for none.
        fill_value: 0-255.

    Returns:
        uint8, the shape of `images`.
    """
    size = tf.constant([*images.shape[1:3]], tf.float32)
    centres = tf.cast(rng.uniform("cutout", 2) * size, tf.int32)
    top, left = tf.unstack(centres - side // 2, axis=-1)
    filling = _filling(images, rng, "constant", fill_value)
    return _paste(images, filling, (top, top + side), (left, left + side))


def _filling(images: tf.Tensor, rng: BatchRng, fill: str, fill_value: int) -> tf.Tensor:
    """Return what comes in place of pixels; broadcasts over `[batch, rows, columns × channels]`."""
    rows, columns, channels = images.shape[1:]
    if fill == "constant":
        return tf.cast(fill_value, tf.uint8)
    if fill == "mean":
        mean = tf.reduce_mean(tf.cast(images, tf.float32), [1, 2])
        return tf.tile(tf.cast(tf.round(mean), tf.uint8), [1, columns])[:, None]
    # Noise for each image would be drawn for the whole global batch by each pipeline.
    whole = dataclasses.replace(rng, batch_size=1, first=0, count=1)
    noise = whole.uniform("random erasing noise", rows, columns * channels, low=0, high=256)
    return tf.cast(noise, tf.uint8)


def _paste(
    images: tf.Tensor,
    filling: tf.Tensor,
    rows: tuple[tf.Tensor, tf.Tensor],
    columns: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Put the filling into rectangles: from the first row or column, before the second."""
    height, width, channels = images.shape[1:]
    # Columns and channels as one axis: a mask that is broadcast over channels takes four times as
    # long.
    in_rows = _within(tf.range(height), rows)
    in_columns = _within(tf.repeat(tf.range(width), channels), columns)
    mask = in_rows[:, :, None] & in_columns[:, None, :]
    flat = tf.reshape(images, [-1, height, width * channels])
    return tf.ensure_shape(
        tf.reshape(tf.where(mask, filling, flat), tf.shape(images)), images.shape
    )


def _within(places: tf.Tensor, ends: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    first, behind = ends
    return (places >= first[:, None]) & (places < behind[:, None])
