"""The rate of a stream of batches, on its own."""

import itertools
import time
from collections.abc import Iterator

import pytest

from trainer.reporting import throughput


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_batches_are_counted_for_as_long_as_said_and_one_at_least(seconds):
    batches = itertools.count()
    started = time.perf_counter()
    count, elapsed = throughput.time_batches(batches, seconds)
    assert count >= 1
    assert next(batches) == count
    assert seconds <= elapsed <= time.perf_counter() - started


def test_a_slow_batch_counts_in_full():
    def slow_batches() -> Iterator[int]:
        for number in itertools.count():
            time.sleep(0.02)
            yield number

    count, elapsed = throughput.time_batches(slow_batches(), 0.01)
    assert count == 1
    assert elapsed >= 0.02
