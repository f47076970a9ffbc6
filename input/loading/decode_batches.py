"""Pixels in place of files, in batches of `read_records.read`."""

from collections.abc import Callable

import tensorflow as tf

from input.dataset.dataset_dir import Card
from input.loading import decode
from input.loading.read_records import Batch
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing


def resize_batches(
    batches: tf.data.Dataset, card: Card, preprocessing: Preprocessing, count: int
) -> tf.data.Dataset:
    """Decode whole images and bring them to the size that crops are cut from.

    Args:
        batches: batches of `read_records.read`.
        card: card of the dataset.
        preprocessing: that size, and the way to it.
        count: records of a batch.

    Returns:
        The batches with `"image"`, uint8 `[count, *preprocessing.resize_to, channels]`.
    """
    size = preprocessing.resize_to

    def pixels(batch: Batch) -> tf.Tensor:
        return decode.pixels(batch["image"], batch["shape"], card)

    def decode_at_once(batch: Batch) -> Batch:
        image = tf.ensure_shape(pixels(batch), [count, *size, card.channels])
        return {**batch, "image": image}

    if card.bare and card.uniform_size == size:
        return batches.map(decode_at_once, tf.data.AUTOTUNE, deterministic=True)
    return map_images(
        batches, lambda record: resize.resize_image(pixels(record), preprocessing), count
    )


def map_images(
    batches: tf.data.Dataset, image_of: Callable[[Batch], tf.Tensor], count: int
) -> tf.data.Dataset:
    """Replace the image of each record.

    Args:
        batches: batches of records.
        image_of: function of a record; its image, of static shape.
        count: records of a batch.

    Returns:
        The batches with `"image"`, `[count, …]`.
    """

    def change(record: Batch) -> Batch:
        return {**record, "image": image_of(record)}

    changed = batches.unbatch().map(change, tf.data.AUTOTUNE, deterministic=True)
    return changed.batch(count, drop_remainder=True)
