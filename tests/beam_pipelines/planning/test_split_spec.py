"""Splits and shards as properties: exact totals, quotas within one, nothing lost, no order seen."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.planning import sharding, split_spec
from headrace.errors import UsageError


@st.composite
def shares(draw) -> list[Fraction]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), shares())
def test_rounding_is_exact_in_total_and_within_one_everywhere(counts, fractions):
    table = split_spec.controlled_rounding(counts, fractions)
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
    table = np.array(split_spec.controlled_rounding(counts, fractions))
    assert sum(counts) == 12_994
    # The quotas are 10395.2, 1299.4 and 1299.4.
    assert table.sum(axis=0).tolist() == [10_395, 1_300, 1_299]


@pytest.mark.parametrize("folds", [3, 10])
def test_rounding_stays_exact_for_ten_thousand_classes(folds):
    """Equal classes are the worst case: alone, each would give its remainder to the same folds."""
    for counts in ([13] * 10_000, [1 + 7 * label % 1300 for label in range(10_000)]):
        table = np.array(split_spec.controlled_rounding(counts, [Fraction(1, folds)] * folds))
        assert table.sum(axis=1).tolist() == counts
        assert np.ptp(table.sum(axis=0)) <= 1
        assert np.abs(table - np.array(counts)[:, None] / folds).max() <= 1


def test_fractions_are_exact():
    assert split_spec.fractions("train:0.7,validation:0.2,test:0.1", 10, set()) == {
        "train": Fraction(7, 10),
        "validation": Fraction(2, 10),
        "test": Fraction(1, 10),
    }


@pytest.mark.parametrize(
    ("images", "test"), [(999, "0.2"), (1_000, "0.1"), (9_999, "0.1"), (10_000, "0.05")]
)
def test_auto_follows_the_rule_of_thumb(images, test):
    shares = split_spec.fractions("auto", images, set())
    assert shares["test"] == Fraction(test)
    assert shares["validation"] == (1 - Fraction(test)) / 10
    assert sum(shares.values()) == 1
    assert list(shares) == split_spec.names("auto", set()) == ["train", "validation", "test"]


def test_auto_makes_only_what_the_source_lacks():
    assert split_spec.fractions("auto", 50_000, {"train", "test"}) == {
        "train": Fraction(9, 10),
        "validation": Fraction(1, 10),
    }
    assert split_spec.fractions("auto", 50, {"train", "validation", "test"}) == {"train": 1}


def test_sizes_are_met_exactly_and_train_gets_the_rest():
    shares = split_spec.fractions("validation:70,test:30", 1_001, set())
    assert {name: share * 1_001 for name, share in shares.items()} == {
        "train": 901,
        "validation": 70,
        "test": 30,
    }
    assert split_spec.fractions("train:3,test:1", 4, set()) == {
        "train": Fraction(3, 4),
        "test": Fraction(1, 4),
    }


@pytest.mark.parametrize("text", ["train:3,test:1", "test:6", "train:5,test:1"])
def test_sizes_that_do_not_fit_are_refused(text):
    with pytest.raises(UsageError, match="images"):
        split_spec.fractions(text, 5, set())


def test_folds_are_equal():
    shares = split_spec.fractions("kfold:5", 100, set())
    assert shares == {f"fold_{number}": Fraction(1, 5) for number in range(5)}


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
        "train:1e400,test:0.5",
        "train:1e999999999,test:1",
        f"train:0.5,{'t' * 65}:0.5",
        f"train:0.5,{'ü' * 33}:0.5",
        "train:0.5,all:0.5",
        "Train:1",
        "train:0.5,test:100",
        "kfold:1",
        "kfold:x",
        "automatic",
    ],
)
def test_impossible_splits_are_refused(text):
    with pytest.raises(UsageError, match="--splits"):
        split_spec.names(text, set())


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
