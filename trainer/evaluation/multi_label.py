"""What a model gets right where images have several labels; pure arithmetic.

    numbers = multi_label.summarize(labels, scores)     # {"map": 0.81, "f1": 0.74, …}
    report = multi_label.report(["cat", "dog"], labels, scores, numbers["threshold"])
    report["per_class"][0]      # {"class": "cat", "records": 8, "precision": 0.75, "f1": 0.6, …}

`labels` are uint8 `[records, classes]`, 1 for each class that is there; `scores` are probabilities,
float32 `[records, classes]`. The order of the records changes no bit of any number. A number that
cannot be had is None, or left out of a mean: the average precision of a class of which there is no
record, and the F1 of one that nothing was taken for either.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# Where labels begin if nothing has chosen another threshold.
DEFAULT_THRESHOLD = 0.5


def summarize(
    labels: np.ndarray, scores: np.ndarray, threshold: float | None = None
) -> dict[str, float]:
    """Return the numbers of all classes together.

    Args:
        labels: labels of the records.
        scores: probabilities of the records.
        threshold: least probability of a label; None for that of `best_threshold`.

    Returns:
        `map`: mean of the average precisions of the classes that have one; `f1`: of all labels
        (micro); `macro_f1`: mean of the F1 of the classes that have one; `threshold`. A mean of
        nothing is 0.
    """
    if threshold is None:
        threshold = best_threshold(labels, scores)
    predicted, hits, records = _counts(labels, scores, threshold)
    f1 = _ratio(2 * hits.sum(), predicted.sum() + records.sum())
    return {
        "map": _mean(average_precisions(labels, scores)) or 0.0,
        "f1": f1 or 0.0,
        "macro_f1": _mean(map(_ratio, 2 * hits, predicted + records)) or 0.0,
        "threshold": threshold,
    }


def report(
    classes: Sequence[str], labels: np.ndarray, scores: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Return the numbers of each class.

    Args:
        classes: names of the classes.
        labels: labels of the records.
        scores: probabilities of the records.
        threshold: least probability of a label.

    Returns:
        `per_class`: a row for each class, `{"class", "records", "precision", "recall", "f1",
        "average_precision"}`; `mean_precision` and `mean_recall`: means over the classes that have
        one, None if none has.
    """
    predicted, hits, records = _counts(labels, scores, threshold)
    precisions = list(map(_ratio, hits, predicted))
    recalls = list(map(_ratio, hits, records))
    f1s = map(_ratio, 2 * hits, predicted + records)
    columns = (records.tolist(), precisions, recalls, f1s, average_precisions(labels, scores))
    names = ("class", "records", "precision", "recall", "f1", "average_precision")
    return {
        "mean_precision": _mean(precisions),
        "mean_recall": _mean(recalls),
        "per_class": [
            dict(zip(names, row, strict=True)) for row in zip(classes, *columns, strict=True)
        ],
    }


def average_precisions(labels: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Return the average precision of each class, as scikit-learn defines it: precision at each
    score, by how much recall rises there."""
    from sklearn.metrics import average_precision_score  # a second, of no use to other datasets

    scores = _numbers(scores)
    return [
        float(average_precision_score(label, score)) if label.any() else None
        for label, score in zip(labels.T, scores.T, strict=True)
    ]


def best_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the least probability of a label that gives the highest F1 of all labels together.

    All between two scores that follow each other give the same labels: of these it is 0.5, or else
    the middle, from which rounding on another machine is furthest. Of several such places it is
    the one nearest to 0.5, and of two as near the lower.
    """
    flat = _numbers(scores).ravel()
    order = np.argsort(-flat)
    upper, hits = flat[order], np.cumsum(labels.ravel()[order], dtype=np.int64)
    lower = np.append(upper[1:], np.float32(0))
    is_last = np.append(upper[1:] != upper[:-1], True)  # of equal scores all are labels, or none
    if not hits[-1]:
        return DEFAULT_THRESHOLD
    ends = np.flatnonzero(is_last)
    f1 = 2 * hits[ends] / (ends + 1 + hits[-1])
    best = ends[f1 == f1.max()]
    lower, upper = lower[best], upper[best]
    middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    places = np.where(middle > lower, middle, upper)
    places[(lower < DEFAULT_THRESHOLD) & (upper >= DEFAULT_THRESHOLD)] = DEFAULT_THRESHOLD
    return float(min(places, key=lambda place: (abs(place - DEFAULT_THRESHOLD), place)))


def worst(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the rows of lowest average precision, the lowest first; of equal ones those with more
    records."""
    known = [row for row in rows if row["records"]]
    return sorted(known, key=lambda row: (row["average_precision"], -row["records"]))[:count]


def _counts(
    labels: np.ndarray, scores: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each class how many labels are predicted, how many of these are right, and how many
    there are: int64 `[classes]`."""
    is_label = _numbers(scores) >= np.float32(threshold)
    hits = np.sum(is_label & (labels > 0), axis=0)
    return is_label.sum(axis=0), hits, labels.sum(axis=0, dtype=np.int64)


def _numbers(scores: np.ndarray) -> np.ndarray:
    """Return scores with 0 for what is no number: the loss says that a run has come to nothing."""
    return np.nan_to_num(scores, nan=0.0)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _mean(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None
