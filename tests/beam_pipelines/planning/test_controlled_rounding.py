"""The rounding as properties: exact totals, every quota met to within one."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.planning.controlled_rounding import round_quotas


@st.composite
def shares(draw) -> list[Fraction]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), shares())
def test_rounding_is_exact_in_total_and_within_one_everywhere(counts, fractions):
    table = round_quotas(counts, fractions)
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
    table = np.array(round_quotas(counts, fractions))
    assert sum(counts) == 12_994
    # The quotas are 10395.2, 1299.4 and 1299.4.
    assert table.sum(axis=0).tolist() == [10_395, 1_300, 1_299]


@pytest.mark.parametrize("folds", [3, 10])
def test_rounding_stays_exact_for_ten_thousand_classes(folds):
    """Equal classes are the worst case: alone, each would give its remainder to the same folds."""
    for counts in ([13] * 10_000, [1 + 7 * label % 1300 for label in range(10_000)]):
        table = np.array(round_quotas(counts, [Fraction(1, folds)] * folds))
        assert table.sum(axis=1).tolist() == counts
        assert np.ptp(table.sum(axis=0)) <= 1
        assert np.abs(table - np.array(counts)[:, None] / folds).max() <= 1
