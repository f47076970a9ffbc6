"""Whether decoded images of a split are cached, and where; `decoded_cache` caches them.

No TensorFlow is imported here.
"""

import math

import psutil

from headrace.errors import UsageError, UserError
from input.dataset.dataset_dir import Card
from input.preprocessing.spec import Preprocessing

WHERE = ("auto", "memory", "disk", "none")
# What `auto` caches in memory at most: so much, and this part of the memory that is free.
_MOST_BYTES, _MOST_SHARE = 2 * 2**30, 0.25


def cacheable_preprocessing(
    card: Card, preprocessing: Preprocessing, crop: str
) -> Preprocessing | None:
    """Return the preprocessing whose resized images can be cached and used in every epoch.

    Args:
        card: card of the dataset.
        preprocessing: how images come to the model's size.
        crop: `crop` of `Augmentation`. A resized crop decodes another part of a file each time, so
            there is something to cache only where records are pixels of one size.
    """
    if crop != "resized":
        return preprocessing
    return Preprocessing(card.uniform_size) if card.bare and card.uniform_size else None


def choose(policy: str, card: Card, records: int, preprocessing: Preprocessing | None) -> str:
    """Choose where a split is cached.

    Args:
        policy: one of `WHERE`.
        card: card of the dataset.
        records: number of records in the split.
        preprocessing: that of `cacheable_preprocessing`.

    Returns:
        `memory`, `disk` or `none`. `auto` is memory for what takes 2 GiB or less, and at most a
        quarter of the memory that is free; else none.

    Raises:
        UsageError: there is nothing that could be cached.
        UserError: it does not fit into memory.
    """
    if preprocessing is None and policy in ("memory", "disk"):
        raise UsageError(
            f"`cache`={policy} keeps decoded images, and `crop`=resized decodes another part each "
            "time; use `cache`=none, or prepare images of one size with --encoding=raw"
        )
    if preprocessing is None or policy in ("disk", "none"):
        return "none" if preprocessing is None else policy
    size = records * math.prod(preprocessing.resize_to) * card.channels
    free = psutil.virtual_memory().available
    if policy == "auto":
        return "memory" if size <= min(_MOST_BYTES, _MOST_SHARE * free) else "none"
    if size > free:
        raise UserError(
            f"`cache`=memory: {records:,} decoded images take {size / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free; use `cache`=disk or `cache`=none"
        )
    return policy
