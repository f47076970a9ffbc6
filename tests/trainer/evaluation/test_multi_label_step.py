"""The evaluation of images of several labels: the same under any strategy, and for all workers."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.evaluation.multi_label_evaluations import (
    RECORDS,
    evaluated,
    records,
    weights,
)
from trainer.config.optimization import OptimizationConfig
from trainer.evaluation import multi_label, multi_label_step
from trainer.optimization import losses

PROGRAM = "tests.trainer.evaluation.multi_label_evaluations"


def assert_right(written, replicas: int) -> None:
    """All numbers are those of all records, each once, by their definitions."""
    assert written["replicas"] == replicas
    data = records()
    logits = (data["image"] @ weights()).astype("f8")
    probabilities = 1 / (1 + np.exp(-logits))
    labels, scores = np.array(written["labels"], "u1"), np.array(written["scores"], "f4")
    assert len(labels) == RECORDS
    order, same = (np.lexsort(each.round(4).T) for each in (probabilities, scores))
    np.testing.assert_array_equal(labels[same], data["label"][order])
    np.testing.assert_allclose(scores[same], probabilities[order], rtol=1e-5)
    best = np.argsort(-logits, axis=1)
    hits = np.take_along_axis(data["label"], best, axis=1)
    costs = np.where(data["label"], -np.log(probabilities), -np.log(1 - probabilities))
    assert written["result"] == {
        "rank1": hits[:, 0].mean(),
        "rank5": hits[:, :5].any(axis=1).mean(),
        "loss": pytest.approx(costs.mean(), rel=1e-5),
        "records": RECORDS,
        **multi_label.summarize(labels, scores),
    }
    assert 0 < written["result"]["map"] < 1


def test_one_device_evaluates_each_record_once():
    assert_right(evaluated(tf.distribute.get_strategy()), 1)


def test_replicas_evaluate_each_record_once(tmp_path):
    finished = run_program(PROGRAM, "mirrored", "2", tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert_right(json.loads((tmp_path / "0.json").read_text()), 2)


def test_workers_have_the_same_scores_to_the_bit(tmp_path):
    outputs = workers.run(2, PROGRAM, "multi_worker_mirrored", "1", tmp_path)
    assert [code for code, _, _ in outputs] == [0, 0], outputs
    one, other = (json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2))
    assert_right(one, 2)
    assert one == other


def model_of_views() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_the_mean_of_the_views_probabilities_is_what_counts():
    model, rng = model_of_views(), np.random.default_rng(0)
    views = rng.normal(scale=3, size=(4, 5, 2, 2, 1)).astype("f4")
    label = rng.integers(0, 2, (4, 3)).astype("u1")
    batch = {"image": views, "label": label, "weight": np.ones(4, "f4")}
    seen: list[np.ndarray] = []
    label_losses = losses.make_eval_losses(OptimizationConfig(loss="binary"))
    evaluate = multi_label_step.make_evaluate(
        tf.distribute.get_strategy(), model, label_losses, lambda *each: seen.extend(each)
    )
    result = evaluate(tf.data.Dataset.from_tensors(batch), 0.25)
    each = tf.sigmoid(model(views.reshape(-1, 2, 2, 1))).numpy().reshape(4, 5, 3)
    mean = each.mean(1)
    np.testing.assert_allclose(seen[1], mean, rtol=1e-5)
    expected = np.where(label, -np.log(mean), -np.log(1 - mean)).mean()
    assert result["loss"] == pytest.approx(expected, rel=1e-5)
    assert result["threshold"] == 0.25
    assert result["f1"] == multi_label.summarize(label, mean, 0.25)["f1"]
