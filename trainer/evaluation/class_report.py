"""What a model gets right of each class, and which classes it takes for which; pure arithmetic.

    report = class_report.make(["cat", "dog"], labels, predictions)
    report["per_class"][0]      # {"class": "cat", "records": 8, "precision": 0.75, "recall": 0.5}

A number that cannot be had is None: the recall of a class of which there is no record, and the
precision of one that nothing was taken for.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

import numpy as np

# Up to so many classes the confusion matrix is given whole; of more, the pairs that occur.
MATRIX_CLASSES = 256

Row = TypedDict(
    "Row", {"class": str, "records": int, "precision": float | None, "recall": float | None}
)


def make(classes: Sequence[str], labels: np.ndarray, predictions: np.ndarray) -> dict[str, Any]:
    """Return the numbers of each class.

    Args:
        classes: names of the classes.
        labels: true class of each record, int64 `[records]`.
        predictions: predicted class of each record, int64 `[records]`.

    Returns:
        `per_class`: a row for each class, `{"class", "records", "precision", "recall"}`;
        `mean_precision` and `mean_recall`: means over the classes that have one, None if none has.
        With up to `MATRIX_CLASSES` classes `confusion`: how many records there are by true class
        (outer list) and predicted class (inner lists). With more `confusion_pairs`: the same as
        `[true, predicted, records]` of each pair of classes that occurs, in this order.
    """
    count = len(classes)
    hits, records, predicted = (
        np.bincount(values, minlength=count).tolist()
        for values in (labels[labels == predictions], labels, predictions)
    )
    rows: list[Row] = [
        {
            "class": name,
            "records": records[i],
            "precision": hits[i] / predicted[i] if predicted[i] else None,
            "recall": hits[i] / records[i] if records[i] else None,
        }
        for i, name in enumerate(classes)
    ]
    return {
        "mean_precision": _mean(rows, "precision"),
        "mean_recall": _mean(rows, "recall"),
        "per_class": rows,
        **_confusion(count, labels, predictions),
    }


def worst(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the rows of lowest recall, the lowest first; of equal ones those with more records."""
    known = [row for row in rows if row["records"]]
    return sorted(known, key=lambda row: (row["recall"], -row["records"]))[:count]


def _mean(rows: Sequence[Row], name: Literal["precision", "recall"]) -> float | None:
    known = [number for row in rows if (number := row[name]) is not None]
    return sum(known) / len(known) if known else None


def _confusion(
    count: int, labels: np.ndarray, predictions: np.ndarray
) -> dict[str, list[list[int]]]:
    if count <= MATRIX_CLASSES:
        cells = np.bincount(labels * count + predictions, minlength=count * count)
        return {"confusion": cells.reshape(count, count).tolist()}
    cells, records = np.unique(labels * count + predictions, return_counts=True)
    pairs = np.stack([*np.divmod(cells, count), records], axis=1)
    return {"confusion_pairs": pairs.tolist()}
