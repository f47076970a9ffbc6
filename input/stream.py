"""The batch stream: a split of a dataset as batches of uint8 images.

Training batches are a pure function of (dataset, seed, batch size, lanes, step), see `order`: a
stream that starts at step t costs what one that starts at 0 costs, and continues what an
interrupted run had begun; the parts that several input pipelines read make up the same batches.

    reader = Reader(data_dir, card, "train")
    order = Order(len(reader), batch_size=128, lanes=8, seed=1)
    for batch in stream.training(reader, order, image_size=(32, 32)):
        ...   # {"image": [128, 32, 32, 3] uint8, "label": [128] int64}

Pixels leave as uint8: casting and normalising belong to the model, on its device.
"""

import atexit
import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from headrace import UserError
from input import lanes, records
from input import order as record_order
from input.augmentation import Augmentation, apply
from input.draws import Draws
from input.order import Order
from input.reader import Reader

_READS_AHEAD = 4

_QUIET_SECONDS, _MOST_SECONDS = 0.05, 10.0

Batch = dict[str, tf.Tensor]


def training(
    reader: Reader,
    order: Order,
    *,
    image_size: tuple[int, int],
    start_step: int = 0,
    pipeline: int = 0,
    pipelines: int = 1,
    augmentation: Augmentation | None = None,
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, from `start_step` on.

    Args:
        reader: of the split.
        order: which records each batch has.
        image_size: rows and columns every image is brought to.
        start_step: the first batch is the one that a stream from 0 gives at this step.
        pipeline: which part of the global batch to give, from 0.
        pipelines: how many parts there are; one after the other they are the batch.
        augmentation: how images are varied.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch]}`, this pipeline's
        part, `"weight": float32 [batch]` where the records have weights, and what
        `augmentation.apply` adds.

    Raises:
        UsageError: there is no such order, or the pipelines cannot share it.
    """
    record_order.check(order, pipelines)

    def numbers(step: tf.Tensor) -> tf.Tensor:
        return lanes.batch(order, step, pipeline, pipelines)

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        names = ("image", "label", "weight") if reader.card.weighted else ("image", "label")
        batch = {name: batch[name] for name in names}
        if augmentation is None:
            return batch
        draws = Draws(order.seed, step, order.batch_size, pipeline * local, local)
        return apply(augmentation, batch, draws, order.batch_size // order.lanes)

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    local = order.batch_size // pipelines
    batches = _decoded(_read(steps.map(numbers), reader, local), reader, image_size, local)
    finished = tf.data.Dataset.zip(steps, batches).map(finish, tf.data.AUTOTUNE, deterministic=True)
    return finished.prefetch(tf.data.AUTOTUNE)


def evaluation(
    reader: Reader,
    *,
    batch_size: int,
    image_size: tuple[int, int],
    pipeline: int = 0,
    pipelines: int = 1,
) -> tf.data.Dataset:
    """Every record of a split exactly once, in stored order, over all input pipelines.

    The last batch is filled up to `batch_size`, so that it divides over replicas: what fills it has
    weight 0, as has what stands in place of a bad record; records have weight 1. Every pipeline
    gives as many batches as the others.

    Args:
        reader: of the split.
        batch_size: global; a multiple of `pipelines`.
        image_size: rows and columns every image is brought to.
        pipeline: as for `training`.
        pipelines: as for `training`.

    Returns:
        `{"image": uint8 [batch, rows, columns, channels], "label": int64 [batch],
        "weight": float32 [batch]}`, this pipeline's part.
    """
    local = batch_size // pipelines
    last = len(reader) - 1

    def places(step: tf.Tensor) -> tf.Tensor:
        first = step * batch_size + pipeline * local
        return tf.range(first, first + local)

    def weigh(step: tf.Tensor, batch: Batch) -> Batch:
        counts = (places(step) <= last) & batch["good"]
        return {
            "image": batch["image"],
            "label": batch["label"],
            "weight": tf.cast(counts, tf.float32),
        }

    steps = tf.data.Dataset.range(last // batch_size + 1)
    numbers = steps.map(lambda step: tf.minimum(places(step), last))
    batches = _decoded(_read(numbers, reader, local), reader, image_size, local)
    return tf.data.Dataset.zip(steps, batches).map(weigh).prefetch(tf.data.AUTOTUNE)


@contextlib.contextmanager
def errors_of(reader: Reader) -> Iterator[None]:
    """Gives an error of the reader as it was, where tf.data made another of it.

    Raises:
        UserError: a record is damaged or cannot be read.
    """
    try:
        yield
    except tf.errors.OpError:
        if reader.failure:
            raise reader.failure from None
        raise


def _read(numbers: tf.data.Dataset, reader: Reader, local: int) -> tf.data.Dataset:
    """Batches of records, encoded, for batches of their numbers."""
    kinds = {
        "image": (tf.string, [local]),
        "label": (tf.int64, [local]),
        "shape": (tf.int64, [local, 3]),
        "weight": (tf.float32, [local]),
        "good": (tf.bool, [local]),
    }

    def read(asked: np.ndarray) -> list[np.ndarray]:
        with _calls:
            try:
                found = reader.read(asked)
            except UserError as error:
                reader.failure = error
                raise
        return [getattr(found, name) for name in kinds]

    def in_graph(asked: tf.Tensor) -> Batch:
        # Said to have no state, or with deterministic operations no two calls would run at once.
        wanted = [kind for kind, _ in kinds.values()]
        found = tf.numpy_function(read, [asked], wanted, stateful=False)
        return {
            name: tf.ensure_shape(value, shape)
            for (name, (_, shape)), value in zip(kinds.items(), found, strict=True)
        }

    return numbers.map(in_graph, _READS_AHEAD, deterministic=True)


class _Calls:
    """Counts the calls that tf.data's threads make into Python, and lets none be under way at exit.

    A thread that calls Python while Python ends never comes back, and who takes the pipeline down
    waits for it: the process would hang. A pipeline that nobody reads from comes to rest by itself.
    """

    def __init__(self) -> None:
        self._lock, self._under_way = threading.Lock(), 0
        self._ended = False
        atexit.register(self._rest)

    def __enter__(self) -> None:
        if self._ended:
            raise RuntimeError("the program has ended")
        with self._lock:
            self._under_way += 1

    def __exit__(self, *_) -> None:
        with self._lock:
            self._under_way -= 1
            self._last = time.monotonic()

    def _rest(self) -> None:
        self._ended = True
        started = self._last = time.monotonic()
        while time.monotonic() - started < _MOST_SECONDS:
            if not self._under_way and time.monotonic() - self._last > _QUIET_SECONDS:
                return
            time.sleep(_QUIET_SECONDS / 5)


_calls = _Calls()


def _decoded(
    batches: tf.data.Dataset, reader: Reader, image_size: tuple[int, int], local: int
) -> tf.data.Dataset:
    """The same batches, their images as pixels of the wanted size."""
    card = reader.card

    def decode(batch: Batch) -> Batch:
        image = records.pixels(batch["image"], batch["shape"], card)
        return {**batch, "image": records.resize(image, image_size)}

    def decode_at_once(batch: Batch) -> Batch:
        return {**batch, "image": records.pixels(batch["image"], batch["shape"], card)}

    if records.is_bare(card) and card.uniform_size == tuple(image_size):
        return batches.map(decode_at_once, tf.data.AUTOTUNE, deterministic=True)
    images = batches.unbatch().map(decode, tf.data.AUTOTUNE, deterministic=True)
    return images.batch(local, drop_remainder=True)
