"""Pixels in place of files, in batches of `fetch.records`."""

from collections.abc import Callable

import tensorflow as tf

from input.dataset.dataset_dir import Card
from input.loading import decode
from input.loading.read_records import Batch
from input.preprocessing import resize
from input.preprocessing.spec import View


def at_base(batches: tf.data.Dataset, card: Card, view: View, count: int) -> tf.data.Dataset:
    """Decodes whole images, at the size that crops are cut from.

    Args:
        batches: of `fetch.records`.
        card: of the dataset.
        view: says that size.
        count: records of a batch.

    Returns:
        The batches with `"image"`, uint8 `[count, *view.base, channels]`.
    """

    def pixels(batch: Batch) -> tf.Tensor:
        return decode.pixels(batch["image"], batch["shape"], card)

    def at_once(batch: Batch) -> Batch:
        image = tf.ensure_shape(pixels(batch), [count, *view.base, card.channels])
        return {**batch, "image": image}

    if card.bare and card.uniform_size == view.base:
        return batches.map(at_once, tf.data.AUTOTUNE, deterministic=True)
    return each(batches, lambda record: resize.to_base(pixels(record), view), count)


def each(
    batches: tf.data.Dataset, image_of: Callable[[Batch], tf.Tensor], count: int
) -> tf.data.Dataset:
    """Puts what `image_of` makes of a record, of static shape, in place of its image."""

    def change(record: Batch) -> Batch:
        return {**record, "image": image_of(record)}

    changed = batches.unbatch().map(change, tf.data.AUTOTUNE, deterministic=True)
    return changed.batch(count, drop_remainder=True)
