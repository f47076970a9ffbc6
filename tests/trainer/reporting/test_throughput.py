"""Images per second, of which the call that compiles is no part; a stream of batches on its own."""

import itertools
import time
from collections.abc import Iterator

import pytest

from trainer.reporting.throughput import Throughput, time_batches


def test_the_first_call_counts_only_until_there_is_another():
    throughput = Throughput()
    assert throughput.mean == 0
    assert throughput.add(64, 32.0) == throughput.mean == throughput.since_log() == 2
    assert throughput.add(128, 2.0) == throughput.mean == 64
    assert throughput.add(128, 4.0) == 32
    assert (throughput.mean, throughput.since_log()) == (256 / 6, 256 / 6)
    throughput.add(640, 4.0)
    assert (throughput.since_log(), throughput.mean, throughput.calls) == (160, 89.6, 4)


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_batches_are_counted_for_as_long_as_said_and_one_at_least(seconds):
    batches = itertools.count()
    started = time.perf_counter()
    count, elapsed = time_batches(batches, seconds)
    assert count >= 1
    assert next(batches) == count
    assert seconds <= elapsed <= time.perf_counter() - started


def test_a_slow_batch_counts_in_full():
    def slow_batches() -> Iterator[int]:
        for number in itertools.count():
            time.sleep(0.02)
            yield number

    count, elapsed = time_batches(slow_batches(), 0.01)
    assert count == 1
    assert elapsed >= 0.02
