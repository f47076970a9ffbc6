"""Chunks of records in memory, where reading is dear: each is read once for all its records.

    chunks = Chunks(reader.frames, order, pipelines=1, reads=4)
    reader.read(numbers, lambda numbers: chunks.frames(numbers, soon))

A stream comes back to the chunks of a window of steps until the window ends, see `order`. So many
are kept as lie in the windows that its steps under way may touch; beyond that the chunk goes that
was used longest ago. The bound is `most_kept` chunks: by default two or three windows of about 128
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
# A program that ends waits for reads that were asked for, so what is only soon to be used is not
# asked for without bound.
_MOST_UNDER_WAY = 2 * _REQUESTS

Frames = Callable[[np.ndarray], list[bytes]]


class Chunks:
    """The chunks that a training stream needs; safe under many threads."""

    def __init__(self, read: Frames, order: Order, pipelines: int, reads: int) -> None:
        """Reads nothing yet.

        Args:
            read: gives the frames of records, for their numbers.
            order: of the stream.
            pipelines: that share it.
            reads: how many steps may be read at the same time.
        """
        self._read, self._order = read, order
        self.kept = most_kept(order, pipelines, reads)
        self._chunks: collections.OrderedDict[int, concurrent.futures.Future] = (
            collections.OrderedDict()
        )
        self._lock, self._under_way = threading.Lock(), 0
        self._pool = concurrent.futures.ThreadPoolExecutor(_REQUESTS, "chunks")

    def frames(self, numbers: np.ndarray, soon: np.ndarray) -> list[bytes]:
        """The frames of records, from chunks that are in memory or on their way.

        Args:
            numbers: of the records, int64 `[records]`.
            soon: of records that will be asked for before long, int64 `[any]`: their chunks are
                read meanwhile.

        Raises:
            UserError: what `read` raised; it is tried again the next time.
        """
        size = self._order.chunk
        wanted, places = (numbers // size).tolist(), (numbers % size).tolist()
        with self._lock:
            chunks = {chunk: self._begun(chunk) for chunk in dict.fromkeys(wanted)}
            for chunk in dict.fromkeys((soon // size).tolist()):
                if chunk in self._chunks or self._under_way < _MOST_UNDER_WAY:
                    self._begun(chunk)
        return [chunks[chunk].result()[place] for chunk, place in zip(wanted, places, strict=True)]

    def _begun(self, chunk: int) -> concurrent.futures.Future:
        """A chunk that is read or being read, from now on the one used last."""
        found = self._chunks.pop(chunk, None)
        if found is None or (found.done() and found.exception()):
            self._under_way += 1
            found = self._pool.submit(self._fetch, chunk)
        self._chunks[chunk] = found
        if len(self._chunks) > self.kept:
            self._chunks.popitem(last=False)
        return found

    def _fetch(self, chunk: int) -> list[bytes]:
        first = chunk * self._order.chunk
        try:
            return self._read(np.arange(first, min(first + self._order.chunk, self._order.records)))
        finally:
            with self._lock:
                self._under_way -= 1


def ahead(order: Order) -> int:
    """How many steps before their use chunks are asked for: half a window."""
    return math.ceil(order.window / 2)


def most_kept(order: Order, pipelines: int, reads: int) -> int:
    """Chunks in the windows of one input pipeline that are under way at the same time."""
    in_lane = min(order.window, order.steps_per_epoch) * order.batch_size // order.lanes
    # One more where a window begins and ends amid chunks, and one that is not full: the split's
    # last, which may come between others.
    of_window = order.lanes // pipelines * (math.ceil(in_lane / order.chunk) + 2)
    steps_in_flight = reads + ahead(order)
    windows = math.ceil((steps_in_flight - 1) / order.window) + 1
    return min(windows * of_window, math.ceil(order.records / order.chunk))
