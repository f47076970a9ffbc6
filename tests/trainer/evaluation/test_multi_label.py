"""Numbers of images of several labels: as scikit-learn has them, and by hand."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from trainer.evaluation import multi_label

LABELS = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], "u1")
SCORES = np.array([[0.9, 0.2, 0.1], [0.8, 0.6, 0.3], [0.7, 0.1, 0.05], [0.4, 0.05, 0.2]], "f4")

# Few values, so that scores are equal now and then.
outcomes = st.integers(1, 12).flatmap(
    lambda records: st.tuples(
        arrays.arrays(np.uint8, (records, 3), elements=st.integers(0, 1)),
        arrays.arrays(
            np.float32, (records, 3), elements=st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 0.75, 1])
        ),
    )
)


def test_the_numbers_of_a_few_records_are_those_worked_out_by_hand():
    numbers = multi_label.summarize(LABELS, SCORES, 0.65)
    first, second = (1 + 2 / 3) / 2, (1 + 2 / 3) / 2  # ranks 1 and 3, in both
    assert numbers == {
        "map": pytest.approx((first + second) / 2),
        "f1": 2 * 2 / (3 + 4),  # of 3 predicted and 4 labels, 2 hits
        "macro_f1": (2 * 2 / (3 + 2) + 0) / 2,  # nothing can be said of the third class
        "threshold": 0.65,
    }
    report = multi_label.report(["a", "b", "c"], LABELS, SCORES, 0.65)
    first_row, second_row, third_row = report["per_class"]
    assert first_row == {
        "class": "a", "records": 2, "precision": 2 / 3, "recall": 1.0, "f1": 4 / 5,
        "average_precision": pytest.approx(first),
    }  # fmt: skip
    assert (second_row["precision"], second_row["recall"], second_row["f1"]) == (None, 0.0, 0.0)
    assert third_row == {
        "class": "c", "records": 0, "precision": None, "recall": None, "f1": None,
        "average_precision": None,
    }  # fmt: skip
    assert (report["mean_precision"], report["mean_recall"]) == (2 / 3, 0.5)
    assert [row["class"] for row in multi_label.worst(report["per_class"], 5)] == ["a", "b"]


@given(outcomes, st.sampled_from([0.1, 0.5, 0.6]))
def test_the_numbers_are_those_of_scikit_learn(outcome, threshold):
    labels, scores = outcome
    predicted = scores >= np.float32(threshold)
    numbers = multi_label.summarize(labels, scores, threshold)
    f1 = metrics.f1_score(labels, predicted, average="micro", zero_division=0)
    assert numbers["f1"] == pytest.approx(f1)
    present = labels.any(axis=0)
    assume(present.any())
    average = metrics.average_precision_score(labels[:, present], scores[:, present])
    assert numbers["map"] == pytest.approx(average)
    known = present | predicted.any(axis=0)
    each = metrics.f1_score(labels, predicted, average=None, zero_division=0)
    assert numbers["macro_f1"] == pytest.approx(each[known].mean())


@given(outcomes, st.randoms())
def test_the_order_of_records_changes_no_bit(outcome, random):
    labels, scores = outcome
    order = list(range(len(labels)))
    random.shuffle(order)
    assert multi_label.summarize(labels, scores) == multi_label.summarize(
        labels[order], scores[order]
    )


@given(outcomes)
def test_no_threshold_has_a_better_f1_and_none_as_good_is_nearer_to_a_half(outcome):
    labels, scores = outcome
    assume(labels.any())
    found = multi_label.best_threshold(labels, scores)
    best = f1_of(labels, scores, found)
    assert multi_label.summarize(labels, scores)["f1"] == best
    assert all(f1_of(labels, scores, place) <= best for place in np.linspace(0, 1, 41))
    assert (found == 0.5) == (f1_of(labels, scores, 0.5) == best)


def f1_of(labels, scores, threshold) -> float:
    predicted = scores >= np.float32(threshold)
    return 2 * np.sum(predicted & (labels > 0)) / (predicted.sum() + labels.sum())


@given(outcomes)
def test_a_perfect_ranking_has_ones(outcome):
    labels, scores = outcome
    assume(labels.any())
    numbers = multi_label.summarize(labels, scores / 4 + labels * np.float32(0.5))
    assert numbers["map"] == numbers["f1"] == numbers["macro_f1"] == 1


def threshold_of(labels: list[int], scores: list[float]) -> float:
    return multi_label.best_threshold(np.array([labels], "u1"), np.array([scores], "f4"))


def test_the_threshold_is_between_scores_and_as_near_to_a_half_as_can_be():
    assert threshold_of([1, 0], [0.75, 0.25]) == 0.5
    assert threshold_of([1, 1, 0], [1.0, 0.875, 0.75]) == 0.8125
    assert threshold_of([1, 0], [0.25, 0.125]) == 0.1875
    assert threshold_of([1], [0.25]) == 0.125
    assert threshold_of([0, 0], [0.25, 0.125]) == 0.5
    # 2·1/(1+3) and 2·3/(9+3): as good, and the second is nearer.
    assert threshold_of([1, *[0] * 6, 1, 1, 0], [0.875, *[0.75] * 8, 0.625]) == 0.6875
    neighbour = np.nextafter(np.float32(0.75), np.float32(1))
    assert threshold_of([1, 0], [neighbour, 0.75]) == neighbour


def test_scores_that_are_no_numbers_are_those_of_no_label():
    scores = np.where(LABELS == 1, np.float32(np.nan), SCORES)
    numbers = multi_label.summarize(LABELS, scores)
    assert 0 <= numbers["map"] < 1
    assert multi_label.summarize(np.zeros_like(LABELS), SCORES) == {
        "map": 0.0, "f1": 0.0, "macro_f1": 0.0, "threshold": 0.5,
    }  # fmt: skip
