"""Losses of records that are known."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.optimization import losses

LOGITS = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], "f4"))


def test_cross_entropy_is_minus_the_logarithm_of_the_probability_of_the_label():
    found = losses.cross_entropy(tf.constant([0, 2]), LOGITS)
    np.testing.assert_allclose(found, -np.log([0.5, 0.1]), rtol=1e-6)


def test_a_hit_is_a_label_that_is_the_most_probable():
    assert losses.rank1_hits(tf.constant([0, 2]), LOGITS).numpy().tolist() == [1, 0]


def test_a_record_without_weights_has_its_cross_entropy():
    found = losses.make_loss_fn(OptimizationConfig())({"label": tf.constant([0, 1])}, LOGITS)
    np.testing.assert_allclose(found, -np.log([0.5, 0.8]), rtol=1e-6)


def test_weights_of_records_shares_and_classes_multiply_the_loss():
    batch = {
        "label": tf.constant([0, 1]),
        "other_label": tf.constant([1, 1]),
        "share": tf.constant([0.75, 1.0]),
        "weight": tf.constant([2.0, 0.0]),
    }
    found = losses.make_loss_fn(OptimizationConfig(), np.array([1, 3, 1], "f4"))(batch, LOGITS)
    expected = 2 * (0.75 * -np.log(0.5) + 0.25 * 3 * -np.log(0.25))
    np.testing.assert_allclose(found, [expected, 0], rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.1, 0.5, 1.0])
def test_a_smoothed_label_is_one_that_is_spread_over_all_classes(smoothing):
    loss_fn = losses.make_loss_fn(OptimizationConfig(label_smoothing=smoothing))
    labels = np.array([0, 1])
    found = loss_fn({"label": tf.constant(labels)}, LOGITS)
    spread = (1 - smoothing) * np.eye(3)[labels] + smoothing / 3
    expected = -np.sum(spread * np.log(tf.nn.softmax(LOGITS)), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_smoothed_labels_of_a_mixed_image_are_smoothed_each():
    batch = {
        "label": tf.constant([0]),
        "other_label": tf.constant([1]),
        "share": tf.constant([0.75]),
    }
    loss_fn = losses.make_loss_fn(OptimizationConfig(label_smoothing=0.3))
    apart = [loss_fn({"label": tf.constant([label])}, LOGITS[:1]).numpy() for label in (0, 1)]
    found = loss_fn(batch, LOGITS[:1])
    np.testing.assert_allclose(found, 0.75 * apart[0] + 0.25 * apart[1], rtol=1e-6)
