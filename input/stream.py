"""The batch stream: a split of a dataset as batches of uint8 images.

Training batches are a pure function of (dataset, seed, batch size, step): the order of an epoch is
a seeded permutation computed per position (`tf.random.experimental.index_shuffle`), and a record is
read at its byte offset. So a stream that starts at step t costs what one that starts at 0 costs,
and continues what an interrupted run had begun.

    batches = stream.training(data_dir, card, batch_size=128, image_size=(32, 32), seed=1)
    for batch in batches: ...   # {"image": [128, 32, 32, 3] uint8, "label": [128] int64}

Pixels leave as uint8: casting and normalising belong to the model, on its device.
"""

import numpy as np
import tensorflow as tf

from input import dataset_dir, records
from input.dataset_dir import Card

_READS_IN_FLIGHT = 16
_READ_BUFFER_BYTES = 1 << 16


def training(
    data_dir: str,
    card: Card,
    *,
    batch_size: int,
    image_size: tuple[int, int],
    seed: int,
    start_step: int = 0,
    split: str = "train",
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, from `start_step` on.

    Args:
        data_dir: the dataset directory.
        card: its card.
        batch_size: records per global batch.
        image_size: rows and columns every image is brought to.
        seed: of the order.
        start_step: the first batch is the one that a stream from 0 gives at this step.
        split: the split to read.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch]}`, and where the
        source gave weights `"weight"`: float32 `[batch]`.
    """
    count = card.splits[split].records
    per_epoch = dataset_dir.steps_per_epoch(card, split, batch_size) * batch_size
    files = tf.constant(dataset_dir.shard_paths(data_dir, card, split))
    shards, offsets = _locate(data_dir, card, split)

    def read(position: tf.Tensor) -> tf.data.Dataset:
        epoch = position // per_epoch
        record = tf.random.experimental.index_shuffle(
            position % per_epoch, tf.stack([tf.cast(seed, tf.int64), epoch]), count - 1
        )
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=[files[shards[record]]],
            compression_type="",
            buffer_size=tf.constant(_READ_BUFFER_BYTES, tf.int64),
            byte_offsets=[offsets[record]],
        )
        # The reader goes on to the end of the shard; only the record at the offset is wanted.
        return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string)).take(1)

    positions = tf.data.Dataset.range(start_step * batch_size, np.iinfo(np.int64).max)
    return (
        positions.interleave(
            read,
            cycle_length=_READS_IN_FLIGHT,
            block_length=1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .map(_example(card, image_size, card.weighted), tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation(
    data_dir: str, card: Card, *, split: str, batch_size: int, image_size: tuple[int, int]
) -> tf.data.Dataset:
    """Every record of a split exactly once, in stored order.

    The last batch is filled up to `batch_size`, so that it divides over replicas: padding has
    weight 0, records have weight 1.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch],
        "weight": float32 [batch]}`.

    Raises:
        UserError: the dataset has no such split.
    """
    paths = dataset_dir.shard_paths(data_dir, card, split)

    def pad(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found = tf.shape(batch["label"])[0]
        missing = batch_size - found
        padded = {
            name: tf.pad(value, [[0, missing]] + [[0, 0]] * (value.shape.rank - 1))
            for name, value in batch.items()
        }
        padded["weight"] = tf.pad(tf.ones([found]), [[0, missing]])
        return {name: tf.ensure_shape(v, [batch_size, *v.shape[1:]]) for name, v in padded.items()}

    return (
        tf.data.TFRecordDataset(paths)
        .map(_example(card, image_size), tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .map(pad)
        .prefetch(tf.data.AUTOTUNE)
    )


def _example(card: Card, image_size: tuple[int, int], weighted: bool = False):
    def example(record: tf.Tensor) -> dict[str, tf.Tensor]:
        image, label = records.parse(record, card)
        weight = {"weight": records.weight(record)} if weighted else {}
        return {"image": records.resize(image, image_size), "label": label, **weight}

    return example


def _locate(data_dir: str, card: Card, split: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each record is: its shard's number and its byte offset, int64 `[records]` each."""
    offsets = dataset_dir.read_index(data_dir, card, split)
    lengths = [shard.records for shard in card.splits[split].shards]
    shards = np.repeat(np.arange(len(lengths)), lengths)
    return tf.constant(shards, tf.int64), tf.constant(offsets.astype(np.int64))
