"""The order of records: pure, elastic, complete, and as good as a uniform shuffle."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.errors import UserError
from input.sampling import index_shuffle, order
from input.sampling.order import Order


@st.composite
def orders(draw):
    lanes = draw(st.integers(1, 6))
    return Order(
        batch_size=(batch_size := lanes * draw(st.integers(1, 5))),
        records=batch_size + draw(st.integers(0, 150)),
        lanes=lanes,
        seed=draw(st.integers(0, 2**31 - 1)),
        chunk=draw(st.integers(1, 20)),
        window=draw(st.integers(1, 9)),
    )


def batches(asked: Order, first: int, last: int, pipeline: int = 0, pipelines: int = 1):
    steps = tf.range(first, last, dtype=tf.int64)
    graph = tf.function(lambda step: index_shuffle.batch(asked, step, pipeline, pipelines))
    return np.stack([graph(step).numpy() for step in steps])


@given(asked=orders(), epoch=st.integers(0, 1000))
@example(asked=Order(20, 4, 2, 0, chunk=5), epoch=0)
@example(asked=Order(7, 7, 1, 0, chunk=9), epoch=3)
def test_an_epoch_has_every_record_at_most_once(asked, epoch):
    steps = asked.steps_per_epoch
    seen = batches(asked, epoch * steps, (epoch + 1) * steps).ravel()
    assert len(set(seen)) == len(seen) == steps * asked.batch_size
    assert seen.min() >= 0 and seen.max() < asked.records


@given(asked=orders(), step=st.integers(0, 10**9), data=st.data())
def test_the_batch_is_the_same_for_any_number_of_pipelines(asked, step, data):
    divisors = [n for n in range(1, asked.lanes + 1) if asked.lanes % n == 0]
    pipelines = data.draw(st.sampled_from(divisors))
    (whole,) = batches(asked, step, step + 1)
    parts = [batches(asked, step, step + 1, p, pipelines)[0] for p in range(pipelines)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_eight_pipelines_make_the_batch_of_one():
    asked = Order(50_000, 128, 8, seed=1)
    for pipelines in (1, 2, 4, 8):
        parts = [batches(asked, 10**6, 10**6 + 2, p, pipelines) for p in range(pipelines)]
        np.testing.assert_array_equal(
            np.concatenate(parts, axis=1), batches(asked, 10**6, 10**6 + 2)
        )


@pytest.mark.parametrize("chunk", [1, 8])
def test_what_is_left_over_differs_between_epochs(chunk):
    asked = Order(45, 10, 2, seed=0, chunk=chunk)
    left = {
        frozenset(range(45)) - frozenset(batches(asked, e * 4, e * 4 + 4).ravel()) for e in range(9)
    }
    assert len(left) > 3


@pytest.mark.parametrize("change", [{"seed": 2}, {"seed": 1 + 2**8}, {"seed": 1 + 2**16}])
def test_another_seed_gives_another_order(change):
    asked = Order(500, 50, 5, seed=1)
    other = dataclasses.replace(asked, **change)
    assert (batches(asked, 0, 10) != batches(other, 0, 10)).any()


def test_no_epoch_repeats_another():
    asked = Order(100, 100, 1, seed=1)
    assert len({tuple(row) for row in batches(asked, 0, 600)}) == 600


@pytest.mark.parametrize(("chunk", "window", "least"), [(1, 1, 0.32), (8, 1, 0.30), (8, 16, 0.30)])
def test_records_move_as_far_as_in_a_uniform_shuffle(chunk, window, least):
    """A uniform permutation moves a record by a third of the length, on average."""
    asked = Order(4096, 64, 8, seed=3, chunk=chunk, window=window)
    seen = np.concatenate([batches(asked, e * 64, e * 64 + 64).ravel()[None] for e in range(4)])
    moved = np.abs(seen - np.arange(4096)).mean() / 4096
    assert least < moved < 1 / 3 + 0.02


def test_every_record_is_as_likely_at_every_place():
    asked = Order(12, 12, 1, seed=5)
    epochs = 2400
    counts = np.zeros((12, 12))
    for row in batches(asked, 0, epochs):
        counts[np.arange(12), row] += 1
    expected = epochs / 12
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # Of 121 degrees of freedom; a uniform shuffle stays below 200 but once in 100,000.
    assert chi_square < 220


@pytest.mark.parametrize(
    ("asked", "pipelines", "said"),
    [
        (Order(7, 8, 8, 0), 1, "7 records, fewer than one batch of 8; use `batch_size`=7"),
        (Order(70, 8, 3, 0), 1, "`lanes`=3 does not divide `batch_size`=8; use `lanes`=1"),
        (Order(70, 8, 4, 0), 3, "`lanes`=4 does not divide over 3 workers; use `lanes`=12"),
    ],
)
def test_an_impossible_order_is_refused(asked, pipelines, said):
    with pytest.raises(UserError, match=said):
        order.check(asked, pipelines)


def test_the_lanes_of_a_batch_divide_it():
    assert [order.default_lanes(size) for size in (1, 6, 20, 100, 128)] == [1, 2, 4, 4, 8]


@given(st.integers(1, 10**8), st.integers(1, 10**7))
def test_a_chunk_is_about_a_mebibyte_and_a_split_has_128(records, record_bytes):
    chunk = order.default_chunk(records, records * record_bytes)
    assert 1 <= chunk <= max(1, records // 128)
    if 1 < chunk < records // 128:
        assert 2 / 3 <= chunk * record_bytes / 2**20 <= 4 / 3


@given(st.integers(1, 10**7), st.integers(1, 1000), st.integers(2, 1000))
def test_a_window_mixes_about_128_chunks_and_no_window_is_short(records, batch_size, chunk):
    window = order.default_window(records, batch_size, chunk)
    steps = records // batch_size
    assert 1 <= window <= max(1, steps)
    if window < steps:
        assert (window * batch_size) / chunk >= 63
        assert ((window - 1) * batch_size) / chunk <= 193
        windows = math.ceil(steps / window)
        assert windows * window - steps < windows


def test_chunks_of_known_datasets():
    assert order.default_chunk(50_000, 50_000 * 3_200) == 328  # CIFAR-10, pixels
    assert order.default_window(50_000, 128, 328) == 390  # the whole epoch: 152 chunks
    assert order.default_chunk(1_281_167, 1_281_167 * 110_000) == 10  # ImageNet
    assert order.default_window(1_281_167, 256, 10) == 5
    assert order.default_chunk(72, 72 * 300) == order.default_window(72, 16, 1) == 1
