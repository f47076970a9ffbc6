"""Statistics of the images of a table, for the card and the report: counts, sizes, pixels."""

import math
import sqlite3
from collections.abc import Sequence

import numpy as np

from beam_pipelines.planning import image_table

_PERCENTILES = {"min": 0, "p5": 5, "p50": 50, "p95": 95, "max": 100}
_BINS = 24


def statistics(db: sqlite3.Connection, splits: list[str]) -> dict:
    """Return what the card and the report say of pixels and sizes.

    Args:
        db: the image table, with splits.
        splits: names, in the order of their indices; channel
            statistics are those of `train`, or of all folds together.

    Returns:
        `channels`, `mean`, `std`, `image_size` as in `Card`, and `histograms` of the source
        (`aspect` is the binary logarithm of columns by rows).
    """
    channels = image_table.one(db, "SELECT max(channels) FROM images WHERE dropped IS NULL")
    training = f"split = {splits.index('train')}" if "train" in splits else "1"
    mean, std = _channel_statistics(db, channels, f"{training} AND dropped IS NULL")
    return {
        "channels": channels,
        "mean": mean,
        "std": std,
        "image_size": {side: _percentiles(db, side) for side in ("rows", "columns")},
        "histograms": {
            "rows": _histogram(_frequencies(db, "source_rows")),
            "columns": _histogram(_frequencies(db, "source_columns")),
            "aspect": _histogram(
                [
                    (math.log2(ratio), images)
                    for ratio, images in _frequencies(
                        db, "round(1.0 * source_columns / source_rows, 4)"
                    )
                    if ratio
                ]
            ),
        },
    }


def class_counts(db: sqlite3.Connection, split: int, classes: int) -> list[int]:
    """Return the number of images of a split that have each class."""
    counts = dict(
        db.execute(
            "SELECT class, sum(images) FROM (SELECT label, count(*) AS images FROM images "
            "WHERE split = ? AND dropped IS NULL GROUP BY label) JOIN label_classes USING (label) "
            "GROUP BY class",
            (split,),
        )
    )
    return [counts.get(each, 0) for each in range(classes)]


def _channel_statistics(
    db: sqlite3.Connection, channels: int, condition: str
) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per channel, over all pixels, 0-255.

    From exact integer sums, so they are the same digits whatever the order of images. A grey image
    of an RGB dataset counts in all three channels.

    Args:
        db: the image table.
        channels: channels of the dataset, 1 or 3.
        condition: SQL condition that selects the images.
    """
    pixels = image_table.exact_sum(db, "(rows * columns)", condition)
    means, deviations = [], []
    for channel in range(channels):
        total = image_table.exact_sum(db, f"sums{channel}", condition)
        squares = image_table.exact_sum(db, f"squares{channel}", condition)
        means.append(total / pixels)
        deviations.append(math.sqrt(pixels * squares - total**2) / pixels)
    return means, deviations


def _histogram(frequencies: Sequence[tuple[float, int]]) -> dict[str, list]:
    """Return at most 24 bins of equal width: `edges` (one more than bins) and `counts`."""
    values, images = np.array(frequencies, np.float64).T
    bins = min(_BINS, len(values))
    counts, edges = np.histogram(values, bins, weights=images)
    return {"edges": edges.tolist(), "counts": counts.astype(np.int64).tolist()}


def _frequencies(db: sqlite3.Connection, value: str) -> list[tuple[float, int]]:
    return db.execute(
        f"SELECT {value} AS value, count(*) FROM images WHERE dropped IS NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()


def _percentiles(db: sqlite3.Connection, column: str) -> dict[str, int]:
    """Return the smallest values that at least so many per cent of the images do not exceed."""
    values, counts = np.array(_frequencies(db, column), np.int64).T
    upto = np.cumsum(counts)
    return {
        name: int(values[np.searchsorted(upto * 100, q * upto[-1])])
        for name, q in _PERCENTILES.items()
    }
