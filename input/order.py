"""What decides which records make up the global batch of a step; `lanes` finds them.

An epoch lays all records out in a seeded order, cuts what fills whole batches into equal *lanes*,
and a batch takes the same number of records from each lane. So a worker that owns some of the
lanes finds its part of every batch by itself, and the batch is the same for any number of workers.

Where reading single records is dear, as in a bucket far away, a *chunk* of consecutive records
stays together in the epoch's order, and each lane shuffles the records of a *window* of steps.

That is the natural order. Batches may also be made up by class, see `sampling`.

No TensorFlow is imported here.
"""

import dataclasses
import math

from headrace import UsageError, UserError

_LANES = 8


@dataclasses.dataclass(frozen=True)
class Order:
    """What decides the order of a training stream.

    Attributes:
        records: in the split.
        batch_size: records per global batch.
        lanes: parts of the data that workers own; divides `batch_size`.
        seed: another one gives another order.
        chunk: consecutive records that are read together; 1 for a shuffle of single records.
        window: steps whose records each lane shuffles among themselves.
        sampling: `natural`, or how batches are made up by class, one of `sampling.BATCHES`; chunk
            and window are the natural order's alone.
    """

    records: int
    batch_size: int
    lanes: int
    seed: int
    chunk: int = 1
    window: int = 1
    sampling: str = "natural"

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the records left over are others in each epoch."""
        return self.records // self.batch_size


def default_lanes(batch_size: int) -> int:
    """Eight, or as many of them as divide the batch evenly."""
    return math.gcd(batch_size, _LANES)


def check(order: Order, pipelines: int = 1) -> None:
    """Makes sure that there is such an order.

    Raises:
        UserError: the batch is larger than the split.
        UsageError: lanes do not divide evenly.
    """
    if order.steps_per_epoch == 0:
        raise UserError(
            f"the split has {order.records:,} records, fewer than one batch of "
            f"{order.batch_size:,}; use --batch_size={order.records} or less"
        )
    if order.batch_size % order.lanes:
        raise UsageError(
            f"--lanes={order.lanes} does not divide --batch_size={order.batch_size}; use "
            f"--lanes={math.gcd(order.batch_size, order.lanes)}"
        )
    if order.lanes % pipelines:
        raise UsageError(
            f"{pipelines} input pipelines cannot share --lanes={order.lanes} evenly; use "
            f"--lanes={math.lcm(order.lanes, pipelines)}, and a --batch_size that it divides"
        )
