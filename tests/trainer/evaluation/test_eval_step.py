"""What an evaluation counts, whatever the number of classes, and the same under any strategy."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.evaluation.evaluations import CLASSES, RECORDS, records, weights
from trainer.config.optimization import OptimizationConfig
from trainer.evaluation import eval_step
from trainer.optimization import losses

PROGRAM = "tests.trainer.evaluation.evaluations"


@pytest.fixture(scope="module")
def expected():
    """Rank-1, rank-5 and loss by definition, and the classes of each record."""
    data = records()
    logits = (data["image"] @ weights()).astype("f8")
    losses = np.log(np.exp(logits).sum(1)) - logits[range(RECORDS), data["label"]]
    pairs = np.stack([data["label"], logits.argmax(1)], axis=1).tolist()
    return {
        "rank1": (data["place"] == 0).mean(),
        "rank5": (data["place"] < 5).mean(),
        "loss": pytest.approx(losses.mean(), rel=1e-5),
        "records": RECORDS,
    }, sorted(pairs)


@pytest.mark.parametrize(
    ("strategy", "replicas"), [("one_device", 1), ("mirrored", 3), ("central_storage", 2)]
)
def test_a_hundred_thousand_classes_are_counted_by_record(strategy, replicas, expected, tmp_path):
    finished = run_program(PROGRAM, strategy, str(replicas), tmp_path)
    assert finished.returncode == 0, finished.stderr
    written = json.loads((tmp_path / "0.json").read_text())
    assert written["replicas"] == replicas
    result, pairs = expected
    assert written["result"] == result
    assert sorted(written["pairs"]) == pairs
    assert max(map(max, pairs)) < CLASSES


def test_workers_have_the_same_result_to_the_bit_and_their_own_records(expected, tmp_path):
    outputs = workers.run(3, PROGRAM, "multi_worker_mirrored", "1", tmp_path)
    assert [code for code, _, _ in outputs] == [0] * 3, outputs
    written = [json.loads((tmp_path / f"{index}.json").read_text()) for index in range(3)]
    result, pairs = expected
    assert written[0]["result"] == result
    assert [each["result"] for each in written] == [written[0]["result"]] * 3
    assert [each["replicas"] for each in written] == [3] * 3
    assert all(each["pairs"] for each in written)
    assert sorted(pair for each in written for pair in each["pairs"]) == pairs


def test_the_mean_of_probabilities_is_what_counts():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    views = np.random.default_rng(0).normal(scale=3, size=(4, 5, 2, 2, 1)).astype("f4")
    label = np.array([0, 1, 2, 1])
    batch = {"image": views, "label": label, "weight": np.ones(4, "f4")}
    evaluate = eval_step.make_evaluate(tf.distribute.get_strategy(), model)
    result = evaluate(tf.data.Dataset.from_tensors(batch))
    each = tf.nn.softmax(model(views.reshape(-1, 2, 2, 1))).numpy().reshape(4, 5, 3)
    mean = each.mean(1)
    assert result["loss"] == pytest.approx(-np.log(mean[range(4), label]).mean(), rel=1e-5)
    assert result["rank1"] == (mean.argmax(1) == label).mean()


def test_of_a_binary_loss_the_mean_of_sigmoids_counts_and_its_own_loss():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    views = np.random.default_rng(0).normal(scale=3, size=(4, 5, 2, 2, 1)).astype("f4")
    label = np.array([0, 1, 2, 1])
    batch = {"image": views, "label": label, "weight": np.ones(4, "f4")}
    label_losses = losses.make_eval_losses(OptimizationConfig(loss="binary"))
    evaluate = eval_step.make_evaluate(
        tf.distribute.get_strategy(), model, label_losses=label_losses, is_binary=True
    )
    result = evaluate(tf.data.Dataset.from_tensors(batch))
    each = tf.sigmoid(model(views.reshape(-1, 2, 2, 1))).numpy().reshape(4, 5, 3)
    mean = each.mean(1)
    costs = np.where(np.eye(3)[label] == 1, -np.log(mean), -np.log(1 - mean))
    assert result["loss"] == pytest.approx(costs.mean(), rel=1e-5)
    assert result["rank1"] == (mean.argmax(1) == label).mean()
