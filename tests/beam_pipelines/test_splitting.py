"""Splits and shards as properties: exact totals, quotas within one, nothing lost, no order seen."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import sharding, splitting
from headrace import UsageError


@st.composite
def shares(draw) -> list[Fraction]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), shares())
def test_rounding_is_exact_in_total_and_within_one_everywhere(counts, fractions):
    table = splitting.controlled_rounding(counts, fractions)
    total = sum(counts)
    assert [sum(row) for row in table] == counts
    columns = [sum(row[j] for row in table) for j in range(len(fractions))]
    for column, fraction in zip(columns, fractions, strict=True):
        assert abs(column - total * fraction) < 1
    for count, row in zip(counts, table, strict=True):
        for cell, fraction in zip(row, fractions, strict=True):
            assert cell >= 0
            assert abs(cell - count * fraction) <= 1


def test_rounding_of_a_thousand_uneven_classes_has_exact_totals():
    counts = [7 + label % 13 for label in range(1000)]
    fractions = [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)]
    table = np.array(splitting.controlled_rounding(counts, fractions))
    assert sum(counts) == 12_994
    # The quotas are 10395.2, 1299.4 and 1299.4.
    assert table.sum(axis=0).tolist() == [10_395, 1_300, 1_299]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50)), min_size=1, max_size=120),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50)
def test_a_split_does_not_depend_on_the_order_of_listing(images, seed, random):
    images = [(label, f"{key:064x}", f"{number}.png") for number, (label, key) in enumerate(images)]
    fractions = [Fraction(7, 10), Fraction(3, 10)]

    def chosen(images):
        labels, keys, paths = zip(*images, strict=True)
        splits = splitting.stratify(labels, keys, paths, fractions, seed)
        return dict(zip(paths, splits.tolist(), strict=True))

    shuffled = list(images)
    random.shuffle(shuffled)
    assert chosen(images) == chosen(shuffled)


def test_another_seed_gives_another_split_and_another_order():
    keys = [f"{number:064x}" for number in range(200)]
    paths = [f"{number}" for number in range(200)]
    orders = [splitting.rank(keys, paths, seed, "split") for seed in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(200))
    assert orders[0] != orders[1] != list(range(200))
    assert splitting.rank(keys, paths, 1, "order") != orders[0]


def test_fractions_are_exact():
    assert splitting.parse("train:0.7,validation:0.2,test:0.1") == {
        "train": Fraction(7, 10),
        "validation": Fraction(2, 10),
        "test": Fraction(1, 10),
    }


@pytest.mark.parametrize(
    "text",
    [
        "train:0.8,test:0.1",
        "train:0.8,test:0.3",
        "train:1,test:0",
        "train:1.5,test:-0.5",
        "train:0.5,train:0.5",
        "learn:0.5,test:0.5",
        "train",
        "train:x,test:0.5",
        "train:1/0",
        "Train:1",
    ],
)
def test_impossible_fractions_are_refused(text):
    with pytest.raises(UsageError, match="--splits"):
        splitting.parse(text)


@given(st.integers(0, 10**13), st.integers(1, 512))
def test_shards_are_near_the_size_asked_for(total, shard_mb):
    count = sharding.shard_count(total, shard_mb)
    assert count >= 1
    assert total <= count * shard_mb * sharding.MIB
    if count > 8:
        assert total > (count - 1) * shard_mb * sharding.MIB


@given(st.integers(1, 10_000), st.integers(1, 50))
def test_shards_hold_every_record_once_and_are_even(records, shards):
    bounds = sharding.shard_bounds(records, shards)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == records
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    sizes = {last - first for first, last in bounds}
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
