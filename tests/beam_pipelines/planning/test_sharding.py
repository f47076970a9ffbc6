"""Shards as properties: near the size that is asked for, even, nothing lost."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.planning import sharding


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
