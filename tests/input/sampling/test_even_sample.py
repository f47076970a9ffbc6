"""A fixed part of a split."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from input.sampling import even_sample


@given(records=st.integers(1, 5000), runs=st.integers(2, 20), run=st.integers(1, 30))
def test_records_are_different_ones_spread_evenly_in_runs(records, runs, run):
    found = even_sample.record_indices(records, runs * run, run)
    assert len(found) == min(runs * run, records)
    assert found.dtype == np.int64
    assert (found[0], found[-1]) == (0, records - 1)
    assert (np.diff(found) >= 1).all()
    if records > runs * run:
        starts = found[::run]
        np.testing.assert_array_equal(
            found.reshape(runs, run) - starts[:, None], [range(run)] * runs
        )
        assert np.ptp(np.diff(starts)) <= 1
