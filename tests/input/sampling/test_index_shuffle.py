"""The records of each batch: complete, elastic, kept by chunk and window, as good as uniform."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks import shuffles
from input.sampling import index_shuffle
from input.sampling.order import Order, default_window


@st.composite
def orders(draw, least_held_out=0):
    lanes = draw(st.integers(1, 6))
    return Order(
        batch_size=(batch_size := lanes * draw(st.integers(1, 5))),
        held_out=(held_out := draw(st.sampled_from([least_held_out, 1, 7, 40]))),
        records=batch_size + held_out + draw(st.integers(0, 150)),
        lanes=lanes,
        seed=draw(st.integers(0, 2**31 - 1)),
        chunk=draw(st.integers(1, 20)),
        window=draw(st.integers(1, 9)),
    )


def pipelines_of(asked: Order) -> st.SearchStrategy[int]:
    divisors = [n for n in range(1, asked.lanes + 1) if asked.lanes % n == 0]
    return st.sampled_from(divisors)


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


@given(asked=orders(least_held_out=3), epoch=st.integers(0, 1000), data=st.data())
@settings(max_examples=20)
@example(asked=Order(20, 4, 2, 0, chunk=6, window=2, held_out=9), epoch=0, data=None)
@example(asked=Order(72, 16, 8, 0, held_out=18), epoch=1, data=None)
def test_what_an_epoch_holds_out_it_does_not_train_on(asked, epoch, data):
    """However many pipelines it comes from; with its batches, it is all but what fills none."""
    held_out = index_shuffle.held_out(asked, epoch)
    assert len(set(held_out)) == len(held_out) == asked.held_out
    assert (np.diff(held_out) > 0).all()
    steps, pipelines = asked.steps_per_epoch, data.draw(pipelines_of(asked)) if data else 2
    parts = [
        batches(asked, epoch * steps, (epoch + 1) * steps, pipeline, pipelines)
        for pipeline in range(pipelines)
    ]
    trained = np.concatenate(parts, axis=1).ravel()
    either = {*held_out.tolist(), *trained.tolist()}
    assert len(either) == len(held_out) + len(trained)
    assert either <= set(range(asked.records))
    assert asked.records - len(either) == (asked.records - asked.held_out) % asked.batch_size


@pytest.mark.parametrize("chunk", [1, 3])
def test_each_record_is_held_out_as_often_as_others(chunk):
    asked, epochs = Order(24, 6, 2, seed=3, chunk=chunk, held_out=6), 1200
    held_out = np.stack([index_shuffle.held_out(asked, epoch) for epoch in range(epochs)])
    assert len({tuple(row) for row in held_out}) > (500 if chunk == 1 else 20)
    counts = np.bincount(held_out.ravel(), minlength=24)
    deviation = (epochs * 1 / 4 * 3 / 4) ** 0.5
    assert np.abs(counts - epochs / 4).max() < 4.5 * deviation


@given(asked=orders(), step=st.integers(0, 10**9), data=st.data())
def test_the_batch_is_the_same_for_any_number_of_pipelines(asked, step, data):
    pipelines = data.draw(pipelines_of(asked))
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


def lanes_of(asked: Order, epoch: int) -> np.ndarray:
    """What each lane gives in an epoch, in the order of its steps."""
    steps = asked.steps_per_epoch
    found = batches(asked, epoch * steps, (epoch + 1) * steps)
    return found.reshape(steps, asked.lanes, -1).swapaxes(0, 1).reshape(asked.lanes, -1)


@given(asked=orders(), epoch=st.integers(0, 1000))
@example(asked=Order(47, 4, 2, 0, chunk=10, window=3), epoch=1)
@settings(max_examples=15)
def test_the_records_of_a_chunk_lie_together_before_windows_are_shuffled(asked, epoch):
    """So do those at the end of the split, which fill no chunk."""
    laid_out = lanes_of(dataclasses.replace(asked, window=1), epoch).ravel()
    for chunk in set(laid_out // asked.chunk):
        (places,) = np.nonzero(laid_out // asked.chunk == chunk)
        assert (np.diff(places) == 1).all()
        assert (np.diff(laid_out[places]) == 1).all()


@given(asked=orders(), epoch=st.integers(0, 1000))
@settings(max_examples=15)
def test_a_lane_shuffles_the_records_of_a_window_among_themselves(asked, epoch):
    shuffled = lanes_of(asked, epoch)
    laid_out = lanes_of(dataclasses.replace(asked, window=1), epoch)
    length = asked.window * asked.batch_size // asked.lanes
    for first in range(0, laid_out.shape[1], length):
        np.testing.assert_array_equal(
            np.sort(shuffled[:, first : first + length]),
            np.sort(laid_out[:, first : first + length]),
        )


def test_windows_are_shuffled_each_its_own_way_and_so_in_each_lane():
    asked = Order(1024, 64, 4, seed=1, chunk=256, window=4)
    laid_out = lanes_of(dataclasses.replace(asked, window=1), 0)
    ways = [
        tuple(np.argsort(laid_out[lane, first : first + 64]).tolist())
        for laid_out in (laid_out, lanes_of(asked, 0))
        for lane in range(4)
        for first in range(0, 256, 64)
    ]
    assert len(set(ways[:16])) == 1
    assert len(set(ways[16:])) == 16


def test_the_records_that_fill_no_chunk_come_anywhere_between_the_others():
    epochs = batches(Order(44, 44, 1, seed=0, chunk=10), 0, 60)
    assert set(np.argmax(epochs == 40, axis=1)) == {0, 10, 20, 30, 40}


# The shuffle against a uniform permutation, on records stored sorted by class.
RECORDS, BATCH, LANES = 51_200, 128, 8
LABELS = shuffles.sorted_labels(RECORDS)
EPOCHS = 4
DEVIATIONS = 4.5  # which chance exceeds once in 150,000 times


@functools.cache
def epochs(chunk: int = 1, window: int = 1) -> list[np.ndarray]:
    order = Order(RECORDS, BATCH, LANES, seed=1, chunk=chunk, window=window)
    return [shuffles.headrace(order, epoch) for epoch in range(EPOCHS)]


def mean_and_bound(measure, deviation: float, orders) -> tuple[float, float]:
    return np.mean([measure(order) for order in orders]), DEVIATIONS * deviation / EPOCHS**0.5


def test_single_records_move_as_far_as_in_a_uniform_shuffle():
    found, bound = mean_and_bound(
        shuffles.displacement, shuffles.displacement_deviation(RECORDS), epochs()
    )
    assert abs(found - 1) < bound


@pytest.mark.parametrize("lag", [1, 2, 16, BATCH, 1024])
def test_labels_of_single_records_tell_nothing_of_later_ones(lag):
    """RandomIndexShuffle's least number of rounds, 4, is 20 deviations off."""
    found, bound = mean_and_bound(
        lambda order: shuffles.autocorrelation(LABELS[order], lag),
        shuffles.autocorrelation_deviation(LABELS),
        epochs(),
    )
    assert abs(found) < bound


def test_batches_of_single_records_are_mixed_as_by_a_uniform_shuffle():
    # Of 400 batches with 9 free counts each; the variance of a variance is twice its square.
    deviation = (2 / (9 * RECORDS / BATCH)) ** 0.5
    found, bound = mean_and_bound(
        lambda order: shuffles.spread(LABELS[order], BATCH), deviation, epochs()
    )
    assert abs(found - 1) < bound


@pytest.mark.parametrize("chunk", [10, 100, 400])
def test_chunks_are_mixed_well_by_the_windows_chosen_for_them(chunk):
    orders = epochs(chunk, default_window(RECORDS, BATCH, chunk))
    for lag in (1, BATCH):
        # A lane mixes 16 chunks, and one in 16 pairs is of one chunk.
        assert np.mean([shuffles.autocorrelation(LABELS[o], lag) for o in orders]) < 0.08
    assert np.mean([shuffles.displacement(order) for order in orders]) > 0.9
    assert np.mean([shuffles.spread(LABELS[order], BATCH) for order in orders]) < 2.5
