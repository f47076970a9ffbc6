"""Scanned images, made without an image."""

from beam_pipelines.images import hashing
from beam_pipelines.rows import ScannedImage


def scanned_image(
    number: int,
    label: int | list[str],
    content: int,
    group: str | None = None,
    seed: int = 0,
) -> ScannedImage:
    """Return the row of a grey image, its label a number or names of classes.

    The same content gives the same hashes.
    """
    content_hash = f"{content:064x}"
    return ScannedImage(
        path=f"{number:04d}.png",
        label=label if isinstance(label, list) else str(label),
        group_id=group,
        file=f"{number:04d}.png",
        offset=0,
        length=100,
        digest=content_hash,
        content_hash=content_hash,
        split_rank=hashing.rank(content_hash, seed, "split"),
        order_rank=hashing.rank(content_hash, seed, "order"),
        source_rows=8,
        source_columns=8,
        rows=8,
        columns=8,
        channels=1,
        verbatim=True,
        has_profile=False,
        sums=[1],
        squares=[1],
        perceptual_hash=0,
    )
