"""The shuffle against a uniform permutation, on records stored sorted by class."""

import functools

import numpy as np
import pytest

from benchmarks import shuffles
from input.sampling.order import Order, default_window

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
