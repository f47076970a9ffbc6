"""How many workers start again after a failure."""

import dataclasses
from collections.abc import Sequence

# A worker that failed this soon after a start, twice in a row, cannot come back.
_SOON_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A start that failed.

    Attributes:
        workers: how many there were.
        failed_worker: name of the one that brought the others down.
        seconds: how long it lasted.
    """

    workers: int
    failed_worker: str
    seconds: float


def smaller_counts(workers: int, min_workers: int, lanes: int) -> list[int]:
    """Return with how many workers a job may go on when fewer must, the most first.

    A number that does not divide the lanes is none: the batches would not be the same.
    """
    return [count for count in range(workers - 1, min_workers - 1, -1) if lanes % count == 0]


def next_count(
    attempts: Sequence[Attempt], max_restarts: int, smaller: Sequence[int]
) -> int | None:
    """Return how many workers to start after the last failed attempt; None to give up.

    As many again, up to `max_restarts` times; then fewer, if that is allowed, counted afresh.
    Fewer at once when the same worker has failed twice in a row soon after a start.

    Args:
        attempts: all attempts so far, in order; at least one.
        max_restarts: restarts with one number of workers.
        smaller: result of `smaller_counts`; empty to go on with no fewer.
    """
    current = attempts[-1].workers
    fewer = next((count for count in smaller if count < current), None)
    same = [attempt for attempt in attempts if attempt.workers == current]
    lost = (
        len(same) > 1
        and same[-1].failed_worker == same[-2].failed_worker
        and max(same[-1].seconds, same[-2].seconds) < _SOON_SECONDS
    )
    if len(same) > max_restarts or (lost and fewer):
        return fewer
    return current
