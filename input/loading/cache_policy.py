"""Whether decoded images of a split are kept, and where; `kept` keeps them.

No TensorFlow is imported here.
"""

import math

import psutil

from headrace.errors import UsageError, UserError
from input.dataset.dataset_dir import Card
from input.preprocessing.spec import View

WHERE = ("auto", "memory", "disk", "none")
# What `auto` keeps in memory at most: so much, and this part of the memory that is free.
_MOST_BYTES, _MOST_SHARE = 2 * 2**30, 0.25


def keepable(card: Card, view: View, crop: str) -> View | None:
    """The view whose base can be kept and used in every epoch.

    Args:
        card: of the dataset.
        view: how images come to the model's size.
        crop: of `Augmentation`. A resized crop decodes another part of a file each time, so there
            is something to keep only where records are pixels of one size.
    """
    if crop != "resized":
        return view
    return View(card.uniform_size) if card.bare and card.uniform_size else None


def choose(asked: str, card: Card, records: int, view: View | None) -> str:
    """Where to keep a split.

    Args:
        asked: one of `WHERE`.
        card: of the dataset.
        records: in the split.
        view: of `keepable`.

    Returns:
        `memory`, `disk` or `none`. `auto` is memory for what takes 2 GiB or less, and at most a
        quarter of the memory that is free; else none.

    Raises:
        UsageError: there is nothing that could be kept.
        UserError: it does not fit into memory.
    """
    if view is None and asked in ("memory", "disk"):
        raise UsageError(
            f"--cache={asked} keeps decoded images, and --crop=resized decodes another part each "
            "time; use --cache=none, or prepare images of one size with --encoding=raw"
        )
    if view is None or asked in ("disk", "none"):
        return "none" if view is None else asked
    wanted, free = records * math.prod(view.base) * card.channels, psutil.virtual_memory().available
    if asked == "auto":
        return "memory" if wanted <= min(_MOST_BYTES, _MOST_SHARE * free) else "none"
    if wanted > free:
        raise UserError(
            f"--cache=memory: {records:,} decoded images take {wanted / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free; use --cache=disk or --cache=none"
        )
    return asked
