"""ChunkCache in memory: the records asked for, each chunk read once for as long as it is needed."""

import collections
import concurrent.futures
import math
import threading

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from input.loading import chunk_cache
from input.loading.chunk_cache import ChunkCache
from input.sampling import index_shuffle
from input.sampling.order import Order

READS = 4
SECONDS = 60


def frames(numbers: np.ndarray) -> list[bytes]:
    return [b"%d" % number for number in numbers]


class Counting:
    """Reads as `frames` does, and counts how often each chunk was read."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self.counts: collections.Counter = collections.Counter()

    def __call__(self, numbers: np.ndarray) -> list[bytes]:
        assert (numbers // self.chunk == numbers[0] // self.chunk).all()
        self.counts[int(numbers[0]) // self.chunk] += 1
        return frames(numbers)


@st.composite
def orders(draw):
    lanes = draw(st.sampled_from([1, 2, 4]))
    batch_size = lanes * draw(st.integers(1, 6))
    return Order(
        records=batch_size + draw(st.integers(0, 300)),
        batch_size=batch_size,
        lanes=lanes,
        seed=draw(st.integers(0, 1000)),
        chunk=draw(st.integers(1, 25)),
        window=draw(st.integers(1, 20)),
    )


@given(asked=orders(), data=st.data())
@settings(max_examples=30)
def test_frames_are_those_that_were_asked_for(asked, data):
    numbers = st.lists(st.integers(0, asked.records - 1), max_size=60)
    cache = ChunkCache(frames, asked, 1, READS)
    for _ in range(3):
        wanted, soon = (np.array(data.draw(numbers), np.int64) for _ in range(2))
        assert cache.frames(wanted, soon) == frames(wanted)


@given(asked=orders(), first=st.integers(0, 100), data=st.data())
@settings(max_examples=30)
def test_no_chunk_is_read_again_before_its_window_has_ended(asked, first, data):
    """A stream as tf.data reads it: as many steps at once as are read ahead."""
    pipelines = data.draw(st.sampled_from([n for n in (1, 2, 4) if asked.lanes % n == 0]))
    ahead = chunk_cache.steps_ahead(asked)
    steps = range(first, first + 2 * asked.window + 3)
    graph = tf.function(lambda step: index_shuffle.batch(asked, step, 0, pipelines))
    numbers = {
        step: graph(tf.constant(step, tf.int64)).numpy()
        for step in range(steps[0], steps[-1] + ahead + 1)
    }
    read = Counting(asked.chunk)
    cache = ChunkCache(read, asked, pipelines, READS)
    with concurrent.futures.ThreadPoolExecutor(READS) as pool:
        calls: list = []
        for step in steps:
            if len(calls) >= READS:
                calls[-READS].result(SECONDS)
            calls.append(pool.submit(cache.frames, numbers[step], numbers[step + ahead]))
        for step, call in zip(steps, calls, strict=True):
            assert call.result(SECONDS) == frames(numbers[step])

    def window(step: int) -> int:
        """Counted through all epochs; the last of an epoch may be short."""
        epoch, within = divmod(step, asked.steps_per_epoch)
        return epoch * math.ceil(asked.steps_per_epoch / asked.window) + within // asked.window

    needed = collections.defaultdict(set)
    for step, found in numbers.items():
        for chunk in (found // asked.chunk).tolist():
            needed[chunk].add(window(step))
    for chunk, count in read.counts.items():
        stays = sum(number - 1 not in needed[chunk] for number in needed[chunk])
        assert count <= stays, chunk


def test_no_more_chunks_are_kept_than_was_said():
    asked = Order(records=100_000, batch_size=64, lanes=8, seed=0, chunk=10, window=20)
    cache = ChunkCache(frames, asked, 2, READS)
    # Of a lane a window takes 160 records, which lie in up to 18 chunks; two windows are under way.
    assert cache.capacity == 2 * 4 * 18
    for first in range(0, 100_000, 1000):
        cache.frames(np.arange(first, first + 1000), np.arange(0))
    assert len(cache._chunks) == cache.capacity


def test_the_chunk_that_was_used_longest_ago_goes_first():
    read = Counting(10)
    cache = ChunkCache(read, Order(1000, 10, 1, 0, chunk=10), 1, READS)
    for chunk in [*range(cache.capacity), 0, cache.capacity, 0, 1]:
        cache.frames(np.array([chunk * 10]), np.arange(0))
    assert (read.counts[0], read.counts[1]) == (1, 2)


def test_a_small_split_is_read_once_for_all_epochs():
    asked = Order(records=90, batch_size=8, lanes=8, seed=0, chunk=7, window=11)
    read = Counting(7)
    cache = ChunkCache(read, asked, 1, READS)
    for _ in range(3):
        cache.frames(np.random.default_rng(0).permutation(90), np.arange(90))
    assert set(read.counts.values()) == {1}


def test_a_chunk_that_is_being_read_is_waited_for():
    begun, go_on = threading.Event(), threading.Event()
    reads = []

    def read(numbers):
        reads.append(numbers)
        begun.set()
        assert go_on.wait(SECONDS)
        return frames(numbers)

    cache = ChunkCache(read, Order(100, 10, 1, 0, chunk=10, window=2), 1, READS)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(cache.frames, np.array([3]), np.arange(0))
        assert begun.wait(SECONDS)
        cache.frames(np.arange(0), np.array([4]))
        go_on.set()
        assert cache.frames(np.array([5]), np.arange(0)) == [b"5"]
        assert call.result(SECONDS) == [b"3"]
    assert len(reads) == 1


def test_sixteen_chunks_are_read_at_the_same_time():
    together = threading.Barrier(16)

    def read(numbers):
        together.wait(SECONDS)
        return frames(numbers)

    cache = ChunkCache(read, Order(1600, 160, 1, 0, chunk=10, window=4), 1, READS)
    numbers = np.arange(0, 160, 10)
    assert cache.frames(numbers, np.arange(0)) == frames(numbers)


def test_what_is_wanted_soon_is_read_meanwhile_but_not_without_bound():
    read = Counting(1)
    go_on = threading.Event()

    def blocked(numbers):
        assert go_on.wait(SECONDS)
        return read(numbers)

    cache = ChunkCache(blocked, Order(1000, 100, 1, 0, chunk=1, window=5), 1, READS)
    cache.frames(np.arange(0), np.arange(1000))
    go_on.set()
    cache._pool.shutdown()
    assert 16 <= len(read.counts) <= 32


def test_a_read_that_failed_is_told_and_tried_again():
    tries = []

    def read(numbers):
        tries.append(numbers)
        if len(tries) == 1:
            raise OSError("no way")
        return frames(numbers)

    cache = ChunkCache(read, Order(100, 10, 1, 0, chunk=10), 1, READS)
    with pytest.raises(OSError, match="no way"):
        cache.frames(np.array([3]), np.arange(0))
    assert cache.frames(np.array([3]), np.arange(0)) == [b"3"]
