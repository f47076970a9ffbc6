"""Batches by class: every record in its turn, every class in its share, at any step."""

import collections
import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from input.sampling import class_sampling
from input.sampling.order import Order

SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def splits(draw, least: int = 0):
    """Labels in any order, and an order whose batch is no larger than the split."""
    counts = draw(st.lists(st.integers(least, 40), min_size=1, max_size=12).filter(sum))
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(draw(st.integers(0, 9))).shuffle(labels)
    batch_size = draw(st.integers(1, len(labels)))
    return Order(len(labels), batch_size, 1, draw(SEEDS)), labels


def split(*counts: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


def batches(kind: str, order: Order, labels: np.ndarray, first: int, last: int) -> np.ndarray:
    find = class_sampling.BATCHES[kind](order, labels)
    return np.stack([find(step) for step in range(first, last)])


def epoch(order: Order, labels: np.ndarray, number: int) -> np.ndarray:
    steps = order.steps_per_epoch
    return batches("stratified", order, labels, number * steps, (number + 1) * steps)


@given(asked=splits(), number=st.integers(0, 10**6))
def test_a_stratified_epoch_has_no_record_twice_and_fills_every_batch(asked, number):
    order, labels = asked
    seen = epoch(order, labels, number).ravel()
    assert seen.dtype == np.int64
    assert len(set(seen.tolist())) == len(seen) == order.steps_per_epoch * order.batch_size
    assert seen.min() >= 0 and seen.max() < order.records


@given(asked=splits(), number=st.integers(0, 10**6))
@example(asked=(Order(100, 32, 8, 0), split(25, 75)), number=0)
@example(asked=(Order(103, 10, 2, 0), np.arange(103)), number=0)
def test_each_stratified_batch_has_the_proportions_of_the_split(asked, number):
    order, labels = asked
    counts = np.bincount(labels).tolist()
    down = [order.batch_size * count // order.records for count in counts]
    up = [-(-order.batch_size * count // order.records) for count in counts]
    for batch in labels[epoch(order, labels, number)]:
        found = np.bincount(batch, minlength=len(counts))
        assert (down <= found).all() and (found <= up).all()


def test_of_classes_at_25_and_75_a_batch_of_32_has_8_and_24():
    labels = split(250, 750)
    for batch in labels[epoch(Order(1000, 32, 8, seed=3), labels, 0)]:
        assert np.bincount(batch).tolist() == [8, 24]


def test_what_stratified_epochs_leave_out_differs_and_falls_on_each_record_alike():
    labels = split(1, 2, 5, 15)
    order = Order(23, 5, 1, seed=0)
    epochs = 2300
    seen = batches("stratified", order, labels, 0, 4 * epochs)
    assert np.bincount(seen[:, 0]).min() > 0
    left = epochs - np.bincount(seen.ravel(), minlength=23)
    # Each is left out of 3 epochs in 23; five standard deviations of a binomial count are 81.
    assert np.abs(left - 300).max() < 81


def test_a_class_meets_all_others_in_a_stratified_epoch():
    """Classes of fewer records than there are batches; at random a pair meets 25 times or so."""
    labels = np.repeat(np.arange(40), 64)
    met: collections.Counter = collections.Counter()
    for batch in labels[epoch(Order(40 * 64, 16, 1, seed=1), labels, 0)]:
        met.update(itertools.combinations(sorted(batch.tolist()), 2))
    assert len(met) == 40 * 39 / 2
    assert max(met.values()) < 64


@given(asked=splits(), first=st.integers(0, 10**9))
def test_a_balanced_stretch_uses_classes_equally_often(asked, first):
    order, labels = asked
    present = np.unique(labels)
    found = labels[batches("balanced", order, labels, first, first + 5)].ravel()
    counts = np.bincount(found, minlength=len(labels))[present]
    assert counts.sum() == 5 * order.batch_size
    assert counts.max() - counts.min() <= 2


@given(asked=splits())
def test_balanced_batches_from_the_beginning_use_classes_equally_often(asked):
    order, labels = asked
    present = np.unique(labels)
    found = labels[batches("balanced", order, labels, 0, 20)].ravel()
    for length in range(1, len(found) + 1):
        counts = np.bincount(found[:length], minlength=len(labels))[present]
        assert counts.max() - counts.min() <= 1


@given(asked=splits())
def test_a_class_gives_each_of_its_records_before_one_comes_again(asked):
    order, labels = asked
    steps = 3 * len(np.unique(labels)) * 40 // order.batch_size + 1
    found = batches("balanced", order, labels, 0, min(steps, 400)).ravel()
    for label in np.unique(labels):
        own = found[labels[found] == label]
        count = np.count_nonzero(labels == label)
        for start in range(0, len(own), count):
            turn = own[start : start + count]
            assert len(set(turn.tolist())) == len(turn)


def test_a_class_gives_its_records_in_another_order_each_time():
    labels = split(30, 2)
    found = batches("balanced", Order(32, 2, 1, seed=0), labels, 0, 90).ravel()
    own = found[labels[found] == 0].reshape(3, 30)
    assert len({tuple(turn) for turn in own.tolist()}) == 3


@pytest.mark.parametrize("kind", class_sampling.BATCHES)
@given(asked=splits(), step=st.integers(0, 10**9))
def test_a_step_by_itself_has_the_batch_that_it_has_in_a_run(kind, asked, step):
    order, labels = asked
    run = batches(kind, order, labels, step, step + 4)
    np.testing.assert_array_equal(batches(kind, order, labels, step + 3, step + 4)[0], run[3])


@pytest.mark.parametrize("kind", class_sampling.BATCHES)
@pytest.mark.parametrize("change", [{"seed": 2}, {"seed": 1 + 2**8}, {"seed": 1 + 2**32}])
def test_another_seed_gives_another_order(kind, change):
    order, labels = Order(500, 50, 5, seed=1), split(100, 150, 250)
    other = dataclasses.replace(order, **change)
    one, another = (batches(kind, each, labels, 0, 10) for each in (order, other))
    assert (one != another).mean() > 0.9


@pytest.mark.parametrize("kind", class_sampling.BATCHES)
def test_no_batch_repeats_another(kind):
    found = batches(kind, Order(60, 20, 1, seed=0), split(10, 20, 30), 0, 900)
    assert len({tuple(batch) for batch in found.tolist()}) == 900


@pytest.mark.parametrize("kind", class_sampling.BATCHES)
def test_each_record_of_a_class_is_as_likely_at_each_place_of_a_batch(kind):
    labels = split(4, 8)
    found = batches(kind, Order(12, 6, 1, seed=7), labels, 0, 4800)
    for label, count in enumerate((4, 8)):
        own = np.flatnonzero(labels == label)
        seen = np.array([(found == record).sum(0) for record in own])
        expected = seen.sum() / seen.size
        # Of count x 6 - 1 degrees of freedom; five standard deviations above their mean.
        degrees = count * 6 - 1
        assert ((seen - expected) ** 2 / expected).sum() < degrees + 5 * math.sqrt(2 * degrees)


def test_class_weights_are_the_largest_count_over_the_class_own():
    labels = np.repeat([0, 1, 3], [3690, 9475, 5])
    weights = class_sampling.class_weights(labels, 5)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [9475 / 3690, 1, 0, 1895, 0], rtol=1e-6)


def test_a_split_of_a_thousand_classes_is_no_matter():
    labels = np.random.default_rng(0).integers(0, 1000, 200_000)
    order = Order(len(labels), 256, 8, seed=0)
    for kind in class_sampling.BATCHES:
        (batch,) = batches(kind, order, labels, 10**7, 10**7 + 1)
        assert len(set(batch.tolist())) == 256
        assert 200 < len(set(labels[batch].tolist())) <= 256
