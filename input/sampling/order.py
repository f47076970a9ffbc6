"""What decides which records make up the global batch of a step; `index_shuffle` finds them.

An epoch lays all records out in a seeded order, cuts what fills whole batches into equal *lanes*,
and a batch takes the same number of records from each lane. So a worker that owns some of the
lanes finds its part of every batch by itself, and the batch is the same for any number of workers.

Where reading single records is dear, as in a bucket far away, a *chunk* of consecutive records
stays together in the epoch's order, and each lane shuffles the records of a *window* of steps.
So a batch mixes the records of all chunks that lie in one window of the lanes.

That is the natural order. Batches may also be made up by class, see `class_sampling`.

Where records are *held out*, they are the last ones of the order of an epoch, others in each: what
lies before them makes up its batches, and they are there to be evaluated at its end.

No TensorFlow is imported here.
"""

import dataclasses
import math

from headrace.errors import UsageError, UserError

_LANES = 8
_CHUNK_BYTES = 2**20
_CHUNKS_MIXED = 128


@dataclasses.dataclass(frozen=True)
class Order:
    """What decides the order of a training stream.

    Attributes:
        records: number of records in the split.
        batch_size: records per global batch.
        lanes: parts of the data that workers own; divides `batch_size`.
        seed: another one gives another order.
        chunk: consecutive records that are read together; 1 for a shuffle of single records.
        window: steps whose records each lane shuffles among themselves.
        sampling: `natural`, or how batches are made up by class, one of `class_sampling.BATCHES`;
            chunk and window are the natural order's alone.
        held_out: number of records that an epoch leaves out, others in each; for the natural order
            alone.
    """

    records: int
    batch_size: int
    lanes: int
    seed: int
    chunk: int = 1
    window: int = 1
    sampling: str = "natural"
    held_out: int = 0

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the records left over are others in each epoch."""
        return (self.records - self.held_out) // self.batch_size

    def last_epoch(self, step: int) -> int:
        """Return the epoch, from 0, of the last batch that a run of `step` steps trained on."""
        return max(step - 1, 0) // self.steps_per_epoch


def default_lanes(batch_size: int) -> int:
    """Return eight, or as many of them as divide the batch evenly."""
    return math.gcd(batch_size, _LANES)


def default_chunk(records: int, size: int) -> int:
    """Return how many records are about 1 MiB.

    In a bucket, a request for so much takes hardly longer than for one record.

    Fewer where the split would have less than 128 chunks, because a batch mixes so many.

    Args:
        records: number of records in the split.
        size: bytes of its shards.
    """
    return max(1, min(round(_CHUNK_BYTES * records / size), records // _CHUNKS_MIXED))


def default_window(records: int, batch_size: int, chunk: int) -> int:
    """Return how many steps take the records of about 128 chunks, so that batches mix those.

    Windows are of one length (64 to 192 chunks, all of a split that has no more), or the last of an
    epoch might mix only a few chunks. Single records need no window.
    """
    if chunk == 1:
        return 1
    steps = records // batch_size
    windows = max(1, round(records / (chunk * _CHUNKS_MIXED)))
    return max(1, math.ceil(steps / windows))


def check(order: Order, pipelines: int = 1) -> None:
    """Make sure that there is such an order.

    Raises:
        UserError: the batch is larger than what is trained on in an epoch.
        UsageError: lanes do not divide evenly, or batches made up by class are to leave records
            out.
    """
    if order.steps_per_epoch == 0:
        trained = order.records - order.held_out
        held_out = f", less {order.held_out:,} held out" if order.held_out else ""
        raise UserError(
            f"the split has {order.records:,} records{held_out}, fewer than one batch of "
            f"{order.batch_size:,}; use `batch_size`={trained} or less"
        )
    if order.held_out and order.sampling != "natural":
        raise UsageError(
            f"`batch_sampling`={order.sampling} makes batches of all records, and "
            "`rotating_validation` holds some out; give one of them"
        )
    if order.batch_size % order.lanes:
        raise UsageError(
            f"`lanes`={order.lanes} does not divide `batch_size`={order.batch_size}; use "
            f"`lanes`={math.gcd(order.batch_size, order.lanes)}"
        )
    if order.lanes % pipelines:
        raise UsageError(
            f"`lanes`={order.lanes} does not divide over {pipelines} workers; use "
            f"`lanes`={math.lcm(order.lanes, pipelines)}, and a `batch_size` that it divides"
        )
