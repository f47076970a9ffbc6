"""Chunks of records in memory, where reading is dear: each is read once for all its records.

    chunks = ChunkCache(reader.frames, order, pipelines=1, reads=4)
    reader.read(indices, lambda indices: chunks.frames(indices, soon))

A stream comes back to the chunks of a window of steps until the window ends, see `order`. So many
are held as lie in the windows that its steps in flight may touch; beyond that the chunk goes that
was used longest ago. The bound is `capacity`: by default two or three windows of about 128
chunks of 1 MiB, so 300 to 450 MiB over all input pipelines, or five batches where a batch has more.

No TensorFlow is imported here.
"""

import collections
import concurrent.futures
import math
import threading
from collections.abc import Callable

import numpy as np

from input.sampling.order import Order

_REQUESTS = 16
# A program that ends waits for reads that were requested, so what is only soon to be used is not
# requested without bound.
_MOST_IN_FLIGHT = 2 * _REQUESTS

Frames = Callable[[np.ndarray], list[bytes]]


class ChunkCache:
    """The chunks that a training stream needs; safe under many threads."""

    def __init__(self, read: Frames, order: Order, pipelines: int, reads: int) -> None:
        """Make an empty cache.

        Args:
            read: function from record indices to the frames of those records.
            order: order of the stream.
            pipelines: number of input pipelines that share it.
            reads: number of steps that may be read at the same time.
        """
        self._read, self._order = read, order
        self.capacity = capacity(order, pipelines, reads)
        self._chunks: collections.OrderedDict[int, concurrent.futures.Future] = (
            collections.OrderedDict()
        )
        self._lock, self._in_flight = threading.Lock(), 0
        self._pool = concurrent.futures.ThreadPoolExecutor(_REQUESTS, "chunks")

    def frames(self, indices: np.ndarray, soon: np.ndarray) -> list[bytes]:
        """Return the frames of records, from chunks that are in memory or on their way.

        Args:
            indices: indices of the records, int64 `[records]`.
            soon: indices of records that will be needed before long, int64 `[any]`: their chunks
                are read meanwhile.

        Raises:
            UserError: what `read` raised; it is tried again the next time.
        """
        size = self._order.chunk
        chunk_indices, positions = (indices // size).tolist(), (indices % size).tolist()
        with self._lock:
            chunks = {index: self._request(index) for index in dict.fromkeys(chunk_indices)}
            for index in dict.fromkeys((soon // size).tolist()):
                if index in self._chunks or self._in_flight < _MOST_IN_FLIGHT:
                    self._request(index)
        pairs = zip(chunk_indices, positions, strict=True)
        return [chunks[index].result()[position] for index, position in pairs]

    def _request(self, chunk_index: int) -> concurrent.futures.Future:
        """Return a chunk that is read or being read, from now on the one used last."""
        chunk = self._chunks.pop(chunk_index, None)
        if chunk is None or (chunk.done() and chunk.exception()):
            self._in_flight += 1
            chunk = self._pool.submit(self._fetch, chunk_index)
        self._chunks[chunk_index] = chunk
        if len(self._chunks) > self.capacity:
            self._chunks.popitem(last=False)
        return chunk

    def _fetch(self, chunk_index: int) -> list[bytes]:
        first = chunk_index * self._order.chunk
        try:
            return self._read(np.arange(first, min(first + self._order.chunk, self._order.records)))
        finally:
            with self._lock:
                self._in_flight -= 1


def steps_ahead(order: Order) -> int:
    """Return how many steps before their use chunks are requested: half a window."""
    return math.ceil(order.window / 2)


def capacity(order: Order, pipelines: int, reads: int) -> int:
    """Return the number of chunks in the windows that one input pipeline reads at the same time."""
    in_lane = min(order.window, order.steps_per_epoch) * order.batch_size // order.lanes
    # One more where a window begins and ends amid chunks, and one that is not full: the split's
    # last, which may come between others.
    per_window = order.lanes // pipelines * (math.ceil(in_lane / order.chunk) + 2)
    steps_in_flight = reads + steps_ahead(order)
    windows = math.ceil((steps_in_flight - 1) / order.window) + 1
    return min(windows * per_window, math.ceil(order.records / order.chunk))
