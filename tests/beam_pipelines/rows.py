"""Rows of the scan, made without an image."""

from beam_pipelines.images import hashing
from beam_pipelines.pipeline.scan import Row


def make_row(number: int, label: int, content: int, group: str | None = None, seed=0) -> Row:
    """A row of a grey image; the same content gives the same key."""
    key = f"{content:064x}"
    return Row(
        path=f"{number:04d}.png",
        label=str(label),
        split=None,
        group=group,
        weight=None,
        file=f"{number:04d}.png",
        offset=0,
        length=100,
        digest=key,
        key=key,
        split_rank=hashing.rank(key, seed, "split"),
        order_rank=hashing.rank(key, seed, "order"),
        source_rows=8,
        source_columns=8,
        rows=8,
        columns=8,
        channels=1,
        kept=True,
        has_profile=False,
        sums=[1],
        squares=[1],
        looks=0,
    )
