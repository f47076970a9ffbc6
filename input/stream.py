"""The batch stream: a split of a dataset as batches of uint8 images.

Training batches are a pure function of (dataset, seed, batch size, lanes, step), see `order`: a
stream that starts at step t costs what one that starts at 0 costs, and continues what an
interrupted run had begun; the parts that several input pipelines read make up the same batches.

    reader = Reader(data_dir, card, "train")
    order = Order(len(reader), batch_size=128, lanes=8, seed=1)
    for batch in stream.training(reader, order, View((32, 32))):
        ...   # {"image": [128, 32, 32, 3] uint8, "label": [128] int64}

Pixels leave as uint8: casting and normalising belong to the model, on its device.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from input.augment import resized_crops, warp
from input.augment.config import Augmentation, apply
from input.augment.rng import Draws
from input.dataset.reader import Reader
from input.loading import decode, decode_batches, python_calls, read_records
from input.loading.decoded_cache import Kept
from input.preprocessing import resize
from input.preprocessing.spec import View
from input.sampling import class_sampling, index_shuffle
from input.sampling import order as record_order
from input.sampling.order import Order

Batch = read_records.Batch

# A stream has no Python `if` or `for` in its graph: AutoGraph, which looks for them, would take a
# second to find none.
_as_it_stands = tf.autograph.experimental.do_not_convert


@_as_it_stands
def training(
    reader: Reader,
    order: Order,
    view: View,
    *,
    start_step: int = 0,
    pipeline: int = 0,
    pipelines: int = 1,
    augmentation: Augmentation | None = None,
    kept: Kept | None = None,
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, from `start_step` on.

    Args:
        reader: of the split.
        order: which records each batch has.
        view: how images come to the model's size, where `augmentation` crops nothing at random.
        start_step: the first batch is the one that a stream from 0 gives at this step.
        pipeline: which part of the global batch to give, from 0.
        pipelines: how many parts there are; one after the other they are the batch.
        augmentation: how images are varied.
        kept: decoded records of the split, if they are kept; at the base of `view`, or as they are
            for resized crops.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch]}`, this pipeline's
        part, `"weight": float32 [batch]` where the records have weights, and what
        `augmentation.apply` adds.

    Raises:
        UsageError: there is no such order, or the pipelines cannot share it.
        UserError: the batch is larger than the split; or it is to be made up by class, and the
            labels do not fit the card.
    """
    record_order.check(order, pipelines)
    augmentation, card = augmentation or Augmentation(), reader.card
    local = order.batch_size // pipelines
    # Single parts are flipped at a third of what it costs to flip some of a batch.
    flips_parts = augmentation.crop == "resized" and augmentation.flips_first
    rest = dataclasses.replace(augmentation, horizontal_flip=False) if flips_parts else augmentation

    def draws(step: tf.Tensor) -> Draws:
        return Draws(order.seed, step, order.batch_size, pipeline * local, local)

    def choose_windows(step: tf.Tensor, batch: Batch) -> Batch:
        drawn = draws(step).uniform("resized crop", resized_crops.TRIES, 4)
        area = (augmentation.crop_area, 1.0)
        windows = resized_crops.windows(drawn, batch["shape"][:, :2], area)
        return {**batch, "window": windows, "mirror": warp.mirrors(draws(step), flips_parts)}

    def part(record: Batch) -> tf.Tensor:
        image, window = record["image"], record["window"]
        if kept:
            image = resized_crops.resize(resized_crops.cut(image, window), view.size)
        else:
            image = decode.part(image, record["shape"], window, card, view.size)
        if not flips_parts:
            return image
        return tf.cond(record["mirror"], lambda: tf.reverse(image, [1]), lambda: image)

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        names = ("image", "label", "weight") if card.weighted else ("image", "label")
        batch = {name: batch[name] for name in names}
        return apply(rest, batch, draws(step), order.batch_size // order.lanes, view.size)

    def with_steps(batches: tf.data.Dataset, change) -> tf.data.Dataset:
        numbered = tf.data.Dataset.zip(steps, batches)
        return numbered.map(change, tf.data.AUTOTUNE, deterministic=True)

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    numbers = _numbers(reader, order, pipeline, pipelines)
    if kept:
        batches = kept.batches(steps.map(numbers), local)
    else:
        batches = read_records.of_steps(steps, numbers, reader, order, pipelines)
    if augmentation.crop == "resized":
        batches = decode_batches.each(with_steps(batches, choose_windows), part, local)
    elif not kept:
        batches = decode_batches.at_base(batches, card, view, local)
    return with_steps(batches, finish).prefetch(tf.data.AUTOTUNE)


@_as_it_stands
def evaluation(
    reader: Reader,
    view: View,
    *,
    batch_size: int,
    crops: int = 1,
    pipeline: int = 0,
    pipelines: int = 1,
    kept: Kept | None = None,
) -> tf.data.Dataset:
    """Every record of a split exactly once, in stored order, over all input pipelines.

    The last batch is filled up to `batch_size`, so that it divides over replicas: what fills it has
    weight 0, as has what stands in place of a bad record; records have weight 1. Every pipeline
    gives as many batches as the others.

    Args:
        reader: of the split.
        view: how images come to the model's size.
        batch_size: global; a multiple of `pipelines`.
        crops: 1, or 5 or 10 of each image, see `sizing.crops`.
        pipeline: as for `training`.
        pipelines: as for `training`.
        kept: decoded records of the split at the base of `view`, if they are kept.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch],
        "weight": float32 [batch]}`, this pipeline's part; with several crops images are
        `[batch, crops, rows, columns, channels]`.
    """
    local = batch_size // pipelines
    last = len(reader) - 1

    def places(step: tf.Tensor) -> tf.Tensor:
        first = step * batch_size + pipeline * local
        return tf.range(first, first + local)

    def look(images: tf.Tensor) -> tf.Tensor:
        if crops == 1:
            return resize.centre(images, view.size)
        return tf.map_fn(lambda image: resize.crops(image, view.size, crops == 10), images)

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        counts = (places(step) <= last) & batch["good"]
        return {
            "image": look(batch["image"]),
            "label": batch["label"],
            "weight": tf.cast(counts, tf.float32),
        }

    steps = tf.data.Dataset.range(last // batch_size + 1)
    numbers = steps.map(lambda step: tf.minimum(places(step), last))
    if kept:
        batches = kept.batches(numbers, local)
    else:
        encoded = read_records.records(numbers, reader, local)
        batches = decode_batches.at_base(encoded, reader.card, view, local)
    return tf.data.Dataset.zip(steps, batches).map(finish).prefetch(tf.data.AUTOTUNE)


def _numbers(
    reader: Reader, order: Order, pipeline: int, pipelines: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from a step to the numbers of the records of this pipeline's part of its batch."""
    if order.sampling == "natural":
        return lambda step: index_shuffle.batch(order, step, pipeline, pipelines)
    find = class_sampling.BATCHES[order.sampling](order, reader.labels())
    local = order.batch_size // pipelines

    def part(step: np.ndarray) -> np.ndarray:
        return find(int(step))[pipeline * local : (pipeline + 1) * local]

    return lambda step: python_calls.call(part, [step], tf.TensorSpec([local], tf.int64))
