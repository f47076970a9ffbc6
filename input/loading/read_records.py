"""Records of a split inside a tf.data pipeline: batches of indices in, encoded images out.

encoded = read_records.read(indices, reader, 32)     # {"image": string [32], "label": …}
encoded = read_records.read_steps(steps, indices_of, reader, order, 1)
with read_records.reader_errors(reader):
    for batch in encoded: ...                    # a bad record raises what the reader said
"""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from headrace.errors import UserError
from input.dataset.reader import Reader, Records
from input.loading import chunk_cache, python_calls
from input.loading.chunk_cache import ChunkCache
from input.sampling.order import Order

_READS_AHEAD = 4

Batch = dict[str, tf.Tensor]


def read(record_indices: tf.data.Dataset, reader: Reader, count: int) -> tf.data.Dataset:
    """Read the records of batches of indices.

    Args:
        record_indices: indices of records, int64 `[count]` each.
        reader: reader of the split.
        count: records of a batch.

    Returns:
        `{"image": string [count], encoded; "label": int64 [count], or of a multi-label dataset
        uint8 [count, classes]; "shape": int64 [count, 3]; "weight": float32 [count];
        "good": bool [count]}`, see `reader.Records`.
    """
    return _read(record_indices, reader.read, reader, count)


def read_steps(
    steps: tf.data.Dataset,
    indices_of: Callable[[tf.Tensor], tf.Tensor],
    reader: Reader,
    order: Order,
    pipelines: int,
) -> tf.data.Dataset:
    """Read the records of training steps, from remote shards by whole chunks.

    Args:
        steps: int64 scalars, rising one by one.
        indices_of: function from a step to the indices of its records, int64
            `[batch_size / pipelines]`; graph code.
        reader: reader of the split.
        order: order that the indices follow.
        pipelines: how many parts of a batch there are.

    Returns:
        As `read`.
    """
    count = order.batch_size // pipelines
    if not reader.is_remote or order.sampling != "natural":
        return read(steps.map(indices_of), reader, count)
    chunks = ChunkCache(reader.frames, order, pipelines, _READS_AHEAD)
    ahead = chunk_cache.steps_ahead(order)

    def read_chunks(indices: np.ndarray, soon: np.ndarray) -> Records:
        return reader.read(indices, lambda indices: chunks.frames(indices, soon))

    pairs = steps.map(lambda step: (indices_of(step), indices_of(step + ahead)))
    return _read(pairs, read_chunks, reader, count)


def label_spec(reader: Reader, count: int) -> tf.TensorSpec:
    """Return shape and type of the labels of so many records, as `Records` has them."""
    if reader.card.multi_label:
        return tf.TensorSpec([count, len(reader.card.classes)], tf.uint8)
    return tf.TensorSpec([count], tf.int64)


def _read(
    arguments: tf.data.Dataset, read: Callable[..., Records], reader: Reader, count: int
) -> tf.data.Dataset:
    """Call `read` with each element of a dataset of its arguments."""
    output = {
        "image": tf.TensorSpec([count], tf.string),
        "label": label_spec(reader, count),
        "shape": tf.TensorSpec([count, 3], tf.int64),
        "weight": tf.TensorSpec([count], tf.float32),
        "good": tf.TensorSpec([count], tf.bool),
    }

    def read_arrays(*arrays: np.ndarray) -> dict[str, np.ndarray]:
        try:
            records = read(*arrays)
        except UserError as error:
            reader.failure = error
            raise
        return {name: getattr(records, name) for name in output}

    def in_graph(*tensors: tf.Tensor) -> Batch:
        return python_calls.call(read_arrays, list(tensors), output)

    return arguments.map(in_graph, _READS_AHEAD, deterministic=True)


@contextlib.contextmanager
def reader_errors(reader: Reader) -> Iterator[None]:
    """Raise an error of the reader as it was, where tf.data made another of it.

    Raises:
        UserError: a record is damaged or cannot be read.
    """
    try:
        yield
    except tf.errors.OpError:
        if reader.failure:
            raise reader.failure from None
        raise
