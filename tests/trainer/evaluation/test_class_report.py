"""Precision and recall as scikit-learn has them, and what is said of a class that has none."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from trainer.evaluation import class_report

FEW, MANY = ["a", "b", "c", "d", "e"], [str(i) for i in range(class_report.MATRIX_CLASSES + 1)]


@given(
    st.integers(1, 60).flatmap(
        lambda count: st.tuples(*[arrays.arrays(np.int64, count, elements=st.integers(0, 4))] * 2)
    )
)
def test_the_numbers_are_those_of_scikit_learn(outcome):
    labels, predictions = outcome
    report = class_report.make(FEW, labels, predictions)
    precision, recall, _, records = metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(5), zero_division=math.nan
    )
    rows = report["per_class"]
    assert [row["class"] for row in rows] == FEW
    assert [row["records"] for row in rows] == records.tolist()
    for name, values in (("precision", precision), ("recall", recall)):
        assert [row[name] for row in rows] == [None if math.isnan(v) else v for v in values]
        assert report[f"mean_{name}"] == pytest.approx(np.nanmean(values))
    matrix = metrics.confusion_matrix(labels, predictions, labels=range(5))
    assert report["confusion"] == matrix.tolist()


def test_a_class_without_records_or_predictions_counts_for_no_mean():
    report = class_report.make(["a", "b", "c", "d"], np.array([0, 0, 1, 1]), np.array([0, 2, 0, 0]))
    assert [(row["precision"], row["recall"]) for row in report["per_class"]] == [
        (1 / 3, 0.5),
        (None, 0.0),  # never predicted
        (0.0, None),  # predicted, and never true
        (None, None),
    ]
    assert (report["mean_precision"], report["mean_recall"]) == (1 / 6, 0.25)


def test_the_pairs_of_many_classes_are_the_cells_of_the_matrix():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(len(MANY) - 9, len(MANY), (2, 500))
    report = class_report.make(MANY, labels, predictions)
    assert "confusion" not in report
    matrix = metrics.confusion_matrix(labels, predictions, labels=range(len(MANY)))
    pairs = [[*cell, matrix[tuple(cell)]] for cell in np.argwhere(matrix).tolist()]
    assert report["confusion_pairs"] == pairs
    assert "confusion" in class_report.make(MANY[:-1], labels % 9, predictions % 9)


def test_a_million_classes_take_no_square_of_them():
    count = 1_000_000
    labels = np.array([0, count - 1, count - 1])
    predictions = np.array([count - 1, count - 1, count - 1])
    report = class_report.make([""] * count, labels, predictions)
    assert report["confusion_pairs"] == [[0, count - 1, 1], [count - 1, count - 1, 2]]
    assert report["mean_recall"] == 0.5


def test_the_worst_have_the_lowest_recall_and_then_most_records():
    labels = np.repeat(np.arange(5), [4, 2, 3, 1, 0])
    predictions = np.array([0, 0, 0, 1, 0, 0, 4, 4, 4, 3])
    rows = class_report.worst(class_report.make(FEW, labels, predictions)["per_class"], 3)
    assert [row["class"] for row in rows] == ["c", "b", "a"]
