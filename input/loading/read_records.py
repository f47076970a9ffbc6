"""Records of a split inside a tf.data pipeline: batches of numbers in, encoded images out.

encoded = fetch.records(numbers, reader, 32)     # {"image": string [32], "label": …}
encoded = fetch.of_steps(steps, numbers_of, reader, order, 1)
with fetch.errors_of(reader):
    for batch in encoded: ...                    # a bad record raises what the reader said
"""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from headrace.errors import UserError
from input.dataset.reader import Reader, Records
from input.loading import chunk_cache, python_calls
from input.loading.chunk_cache import Chunks
from input.sampling.order import Order

_READS_AHEAD = 4

Batch = dict[str, tf.Tensor]


def records(numbers: tf.data.Dataset, reader: Reader, count: int) -> tf.data.Dataset:
    """Reads the records of batches of numbers.

    Args:
        numbers: of records, int64 `[count]` each.
        reader: of the split.
        count: records of a batch.

    Returns:
        `{"image": string [count], encoded; "label": int64 [count]; "shape": int64 [count, 3];
        "weight": float32 [count]; "good": bool [count]}`, see `reader.Records`.
    """
    return _fetched(numbers, reader.read, reader, count)


def of_steps(
    steps: tf.data.Dataset,
    numbers: Callable[[tf.Tensor], tf.Tensor],
    reader: Reader,
    order: Order,
    pipelines: int,
) -> tf.data.Dataset:
    """Reads the records of training steps, from remote shards by whole chunks.

    Args:
        steps: int64 scalars, rising one by one.
        numbers: of the records of a step, int64 `[batch_size / pipelines]`; in the graph.
        reader: of the split.
        order: that the numbers follow.
        pipelines: how many parts of a batch there are.

    Returns:
        As `records`.
    """

    count = order.batch_size // pipelines
    if not reader.is_remote or order.sampling != "natural":
        return records(steps.map(numbers), reader, count)
    kept = Chunks(reader.frames, order, pipelines, _READS_AHEAD)
    ahead = chunk_cache.ahead(order)

    def read(asked: np.ndarray, soon: np.ndarray) -> Records:
        return reader.read(asked, lambda asked: kept.frames(asked, soon))

    asked = steps.map(lambda step: (numbers(step), numbers(step + ahead)))
    return _fetched(asked, read, reader, count)


def _fetched(
    arguments: tf.data.Dataset, read: Callable[..., Records], reader: Reader, count: int
) -> tf.data.Dataset:
    """What `read` returns for each element of a dataset of its arguments."""
    output = {
        "image": tf.TensorSpec([count], tf.string),
        "label": tf.TensorSpec([count], tf.int64),
        "shape": tf.TensorSpec([count, 3], tf.int64),
        "weight": tf.TensorSpec([count], tf.float32),
        "good": tf.TensorSpec([count], tf.bool),
    }

    def read_arrays(*arrays: np.ndarray) -> dict[str, np.ndarray]:
        try:
            found = read(*arrays)
        except UserError as error:
            reader.failure = error
            raise
        return {name: getattr(found, name) for name in output}

    def in_graph(*tensors: tf.Tensor) -> Batch:
        return python_calls.call(read_arrays, list(tensors), output)

    return arguments.map(in_graph, _READS_AHEAD, deterministic=True)


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
