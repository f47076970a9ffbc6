"""How a split is cut into shards: a function of its size alone, never of the workers."""

MIB = 1 << 20
# A split of a few megabytes is cut as well, so that writers and readers can work side by side.
_PARALLEL_SHARDS = 8


def shard_count(total_bytes: int, shard_mb: int) -> int:
    """Return the number of shards of `shard_mb` MiB, but eight as soon as each would hold 1 MiB."""
    by_size = -(-total_bytes // (shard_mb * MIB))
    return max(1, by_size, min(_PARALLEL_SHARDS, total_bytes // MIB))


def shard_bounds(records: int, shards: int) -> list[tuple[int, int]]:
    """Return first and last (exclusive) record of each shard; sizes differ by one at most."""
    shards = min(shards, max(records, 1))
    return [(records * i // shards, records * (i + 1) // shards) for i in range(shards)]
