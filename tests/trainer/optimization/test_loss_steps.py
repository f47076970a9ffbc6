"""What each loss is, by the equations of its paper, and that replicas share it out."""

import json
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import run_program
from tests.trainer.optimization.loss_steps import (
    BATCH,
    CASES,
    CLASS_WEIGHTS,
    CLASSES,
    batch,
    kernel,
    step,
)
from trainer.config.optimization import OptimizationConfig
from trainer.optimization import losses


def expected_total(several: bool, config: OptimizationConfig, weights: np.ndarray) -> float:
    """What the batch costs, in float64."""
    data = batch(several)
    logits = data["image"].astype("f8") @ weights.astype("f8")
    class_weights = np.ones(CLASSES) if config.class_weights == "none" else CLASS_WEIGHTS
    name = config.loss.replace("auto", "binary" if several else "cross_entropy")
    record = binary if name.startswith("binary") else softmax
    focal: Any = {"gamma": 2.0, "alpha": 0.25} if name.endswith("focal") else {}
    focal |= config.loss_options
    first, second = (
        [
            record(row, set(np.flatnonzero(label) if several else [label]), config.label_smoothing,
                   class_weights, **focal)
            for row, label in zip(logits, labels, strict=True)
        ]
        for labels in (data["label"], data["other_label"])
    )  # fmt: skip
    share = data["share"]
    return float(np.sum(data["weight"] * (share * first + (1 - share) * np.array(second))))


def softmax(logits, labels, smoothing, class_weights, gamma=0.0, alpha=1.0) -> float:
    """FL(p_t) = -α (1 - p_t)^γ log p_t; with γ = 0 and α = 1 the cross-entropy."""
    (label,) = labels
    p = np.exp(logits) / np.exp(logits).sum()
    each = -alpha * (1 - p) ** gamma * np.log(p)
    return class_weights[label] * ((1 - smoothing) * each[label] + smoothing * each.mean())


def binary(logits, labels, smoothing, class_weights, gamma=0.0, alpha=None) -> float:
    """FL(p_t) = -α_t (1 - p_t)^γ log p_t, p_t = p where the class is there and 1 - p elsewhere."""
    p = 1 / (1 + np.exp(-logits))
    there, away = (1, 1) if alpha is None else (alpha, 1 - alpha)
    total = 0.0
    for index, weight in enumerate(class_weights):
        present = -weight * there * (1 - p[index]) ** gamma * np.log(p[index])
        absent = -away * p[index] ** gamma * np.log(1 - p[index])
        part = (1 - smoothing) * (index in labels) + smoothing / 2
        total += part * present + (1 - part) * absent
    return total / len(p)


# With all that can be said of a loss: smoothing, and weights of classes beside those of records.
SHARED = (
    "one_cross_entropy_weighted",
    "one_focal_weighted",
    "one_binary_weighted",
    "several_binary_focal_weighted",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The steps of two replicas."""
    path = tmp_path_factory.mktemp("steps") / "steps.json"
    finished = run_program("tests.trainer.optimization.loss_steps", "mirrored", "2", path, *SHARED)
    assert finished.returncode == 0, finished.stderr
    written = json.loads(path.read_text())
    assert written["replicas"] == 2
    return written["steps"]


@pytest.mark.parametrize("case", CASES)
def test_a_step_goes_by_the_loss_of_the_paper_on_any_number_of_replicas(case, shared):
    several, config = CASES[case]
    one = step(tf.distribute.get_strategy(), case)
    total = expected_total(several, config, kernel())
    gradient = np.zeros_like(kernel(), "f8")
    for place in np.ndindex(gradient.shape):
        moved = kernel().astype("f8")
        moved[place] += 1e-5
        gradient[place] = (expected_total(several, config, moved) - total) / 1e-5
    for found in (one, shared.get(case, one)):
        assert found["sums"][0] == pytest.approx(total, rel=1e-5)
        np.testing.assert_allclose(found["gradient"], gradient, rtol=2e-3, atol=2e-4)
        assert found["sums"][1] == hits(several)


def hits(several: bool) -> int:
    data = batch(several)
    best = (data["image"] @ kernel()).argmax(1)
    right = data["label"][range(BATCH), best] if several else data["label"] == best
    return int(np.sum(right))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("loss", ["focal", "binary_focal"])
def test_what_is_hopelessly_wrong_is_still_corrected_and_what_is_sure_no_nan(loss, gamma):
    """Keras's own have no gradient there, or one that is no number."""
    config = OptimizationConfig(loss=loss, loss_options={"gamma": gamma, "alpha": 0.5})
    loss_fn = losses.make_loss_fn(config)
    logits = tf.Variable([[-40.0, 40.0], [40.0, -40.0], [200.0, -200.0]])
    with tf.GradientTape() as tape:
        found = loss_fn({"label": tf.constant([0, 0, 0])}, logits)
    wrong, sure, certain = tape.gradient(found, logits).numpy()
    assert wrong[0] < -0.2 and wrong[1] > 0.2
    assert np.abs([sure, certain]).max() < 1e-3
    assert np.isfinite(found).all()


def test_evaluation_has_the_loss_of_labels_as_they_are():
    data, logits = batch(True), batch(True)["image"] @ kernel()
    config = OptimizationConfig(loss="binary_focal", label_smoothing=0.3)
    found = losses.make_eval_losses(config)(tf.constant(data["label"]), tf.constant(logits))
    plain = losses.make_loss_fn(OptimizationConfig(loss="binary_focal"))
    expected = plain({"label": tf.constant(data["label"])}, tf.constant(logits))
    np.testing.assert_array_equal(found, expected)


def test_guessing_costs_what_its_probabilities_say():
    def cost(multi_label: bool = False, **values) -> float:
        return losses.of_guessing(OptimizationConfig(**values), 8, multi_label)

    assert cost(label_smoothing=0.1) == pytest.approx(math.log(8))
    assert cost(multi_label=True) == cost(loss="binary") == pytest.approx(math.log(2))
    assert cost(loss="focal") == pytest.approx(0.25 * (7 / 8) ** 2 * math.log(8))
