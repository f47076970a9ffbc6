"""The batch stream: a split of a dataset as batches of uint8 images.

Training batches are a pure function of (dataset, seed, batch size, lanes, step), see
`input.sampling.order`: a stream that starts at step t costs what one that starts at 0 costs, and
continues what an interrupted run had begun; the parts that several input pipelines read make up the
same batches.

    reader = Reader(data_dir, card, "train")
    order = Order(len(reader), batch_size=128, lanes=8, seed=1)
    for batch in stream.training(reader, order, Preprocessing((32, 32))):
        ...   # {"image": [128, 32, 32, 3] uint8, "label": [128] int64}

Pixels leave as uint8: casting and normalising belong to the model, on its device.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from input.augment import resized_crops, warp
from input.augment.augment_batch import augment_batch
from input.augment.config import Augmentation
from input.augment.rng import BatchRng
from input.dataset.dataset_dir import Card
from input.dataset.reader import Reader
from input.loading import decode, decode_batches, python_calls, read_records
from input.loading.decoded_cache import DecodedCache
from input.preprocessing import resize
from input.preprocessing.spec import Preprocessing
from input.sampling import class_sampling, index_shuffle
from input.sampling import order as record_order
from input.sampling.order import Order

Batch = read_records.Batch


# A stream has no Python `if` or `for` in its graph: AutoGraph, which looks for them, would take a
# second to find none.
@tf.autograph.experimental.do_not_convert
def training(
    reader: Reader,
    order: Order,
    preprocessing: Preprocessing,
    *,
    start_step: int = 0,
    pipeline: int = 0,
    pipelines: int = 1,
    augmentation: Augmentation | None = None,
    decoded_cache: DecodedCache | None = None,
) -> tf.data.Dataset:
    """Return an endless stream of shuffled batches, from `start_step` on.

    Args:
        reader: reader of the split.
        order: which records each batch has.
        preprocessing: how images come to the model's size, where `augmentation` crops nothing at
            random.
        start_step: the first batch is the one that a stream from 0 gives at this step.
        pipeline: which part of the global batch to give, from 0.
        pipelines: how many parts there are; one after the other they are the batch.
        augmentation: what is done to the images; nothing if not given.
        decoded_cache: decoded records of the split, if they are cached; at `resize_to` of
            `preprocessing`, or as they are for resized crops.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch]}`, this pipeline's
        part, `"weight": float32 [batch]` where the records have weights, and what
        `augment_batch` adds. Of a multi-label dataset `"label"` says which classes each image has,
        0 or 1, uint8 `[batch, classes]`.

    Raises:
        UsageError: there is no such order, or the pipelines cannot share it, or batches of a
            multi-label dataset are to be made up by class.
        UserError: the batch is larger than the split; or it is to be made up by class, and the
            labels do not fit the card.
    """
    record_order.check(order, pipelines)
    augmentation, card = augmentation or Augmentation(), reader.card
    local = order.batch_size // pipelines
    # Single parts are flipped at a third of what it costs to flip some of a batch.
    flips_parts = augmentation.crop == "resized" and augmentation.flips_first
    rest = dataclasses.replace(augmentation, horizontal_flip=False) if flips_parts else augmentation

    def rng_of(step: tf.Tensor) -> BatchRng:
        return BatchRng(order.seed, step, order.batch_size, pipeline * local, local)

    def choose_parts(step: tf.Tensor, batch: Batch) -> Batch:
        return _choose_parts(batch, rng_of(step), augmentation.crop_area, flips_parts)

    def part(record: Batch) -> tf.Tensor:
        return _part(record, card, preprocessing.size, decoded=decoded_cache is not None)

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        names = ("image", "label", "weight") if card.weighted else ("image", "label")
        batch = {name: batch[name] for name in names}
        per_lane = order.batch_size // order.lanes
        return augment_batch(rest, batch, rng_of(step), per_lane, preprocessing.size)

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    indices_of = _record_indices(reader, order, pipeline, pipelines)
    if decoded_cache:
        batches = decoded_cache.batches(steps.map(indices_of), local)
    else:
        batches = read_records.read_steps(steps, indices_of, reader, order, pipelines)
    if augmentation.crop == "resized":
        batches = _map_with_steps(steps, batches, choose_parts)
        batches = decode_batches.map_images(batches, part, local)
    elif not decoded_cache:
        batches = decode_batches.resize_batches(batches, card, preprocessing, local)
    return _map_with_steps(steps, batches, finish).prefetch(tf.data.AUTOTUNE)


@tf.autograph.experimental.do_not_convert
def evaluation(
    reader: Reader,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    crops: int = 1,
    pipeline: int = 0,
    pipelines: int = 1,
    records: np.ndarray | None = None,
    decoded_cache: DecodedCache | None = None,
) -> tf.data.Dataset:
    """Return every record of a split exactly once, in stored order, over all input pipelines.

    The last batch is filled up to `batch_size`, so that it divides over replicas: what fills it has
    weight 0, as has what stands in place of a bad record; records have weight 1. Every pipeline
    gives as many batches as the others.

    Args:
        reader: reader of the split.
        preprocessing: how images come to the model's size.
        batch_size: records of a global batch; a multiple of `pipelines`.
        crops: 1, or 5 or 10 of each image, see `resize.crops`.
        pipeline: as for `training`.
        pipelines: as for `training`.
        records: indices of the records to give, in this order, int64 `[records]`; all if not given.
        decoded_cache: decoded records of the split at `resize_to` of `preprocessing`, if they are
            cached.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch],
        "weight": float32 [batch]}`, this pipeline's part; with several crops images are
        `[batch, crops, rows, columns, channels]`. `"label"` of a multi-label dataset is as for
        `training`.
    """
    local = batch_size // pipelines
    last = (len(reader) if records is None else len(records)) - 1

    def positions(step: tf.Tensor) -> tf.Tensor:
        first = step * batch_size + pipeline * local
        return tf.range(first, first + local)

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        counts = (positions(step) <= last) & batch["good"]
        return {
            "image": _cut_crops(batch["image"], preprocessing.size, crops),
            "label": batch["label"],
            "weight": tf.cast(counts, tf.float32),
        }

    steps = tf.data.Dataset.range(last // batch_size + 1)
    record_indices = steps.map(lambda step: tf.minimum(positions(step), last))
    if records is not None:
        record_indices = record_indices.map(lambda places: tf.gather(records, places))
    if decoded_cache:
        batches = decoded_cache.batches(record_indices, local)
    else:
        encoded = read_records.read(record_indices, reader, local)
        batches = decode_batches.resize_batches(encoded, reader.card, preprocessing, local)
    return tf.data.Dataset.zip(steps, batches).map(finish).prefetch(tf.data.AUTOTUNE)


def record_indices(reader: Reader, order: Order, step: int) -> np.ndarray:
    """Return the indices of the records that `training` gives at a step, int64 `[batch]`."""
    if order.sampling == "natural":
        return index_shuffle.batch(order, tf.constant(step, tf.int64)).numpy()
    return class_sampling.BATCHES[order.sampling](order, reader.labels())(step)


def _record_indices(
    reader: Reader, order: Order, pipeline: int, pipelines: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Make a function from a step to the indices of the records of this pipeline's part of it."""
    if order.sampling == "natural":
        return lambda step: index_shuffle.batch(order, step, pipeline, pipelines)
    class_sampling.check(order.sampling, reader.card.multi_label)
    batch = class_sampling.BATCHES[order.sampling](order, reader.labels())
    local = order.batch_size // pipelines

    def part(step: np.ndarray) -> np.ndarray:
        return batch(int(step))[pipeline * local : (pipeline + 1) * local]

    return lambda step: python_calls.call(part, [step], tf.TensorSpec([local], tf.int64))


def _map_with_steps(
    steps: tf.data.Dataset,
    batches: tf.data.Dataset,
    change: Callable[[tf.Tensor, Batch], Batch],
) -> tf.data.Dataset:
    pairs = tf.data.Dataset.zip(steps, batches)
    return pairs.map(change, tf.data.AUTOTUNE, deterministic=True)


def _choose_parts(batch: Batch, rng: BatchRng, smallest_area: float, flips: bool) -> Batch:
    """Add the part of each image that is cut out, and whether it is mirrored if some are."""
    numbers = rng.uniform("resized crop", resized_crops.TRIES, 4)
    windows = resized_crops.windows(numbers, batch["shape"][:, :2], (smallest_area, 1.0))
    mirror = {"mirror": warp.mirrors(rng, True)} if flips else {}
    return {**batch, "window": windows, **mirror}


def _part(record: Batch, card: Card, size: tuple[int, int], decoded: bool) -> tf.Tensor:
    """Cut the chosen part out of an image and bring it to size."""
    image, window = record["image"], record["window"]
    if decoded:
        image = resized_crops.resize(resized_crops.cut(image, window), size)
    else:
        image = decode.part(image, record["shape"], window, card, size)
    if "mirror" not in record:
        return image
    return tf.cond(record["mirror"], lambda: tf.reverse(image, [1]), lambda: image)


def _cut_crops(images: tf.Tensor, size: tuple[int, int], crops: int) -> tf.Tensor:
    if crops == 1:
        return resize.centre(images, size)
    return tf.map_fn(lambda image: resize.crops(image, size, crops == 10), images)
