"""One optimizer step on a batch that is known."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.loop import train_step


def trained(batch: dict[str, np.ndarray], batch_size: int, class_weights=None) -> list[np.ndarray]:
    """The weights after a step on this batch, and then the sums that the step gave."""
    keras.utils.set_random_seed(1)
    strategy = tf.distribute.get_strategy()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    train_steps = train_step.make_train_steps(
        strategy, model, optimizer, batch_size, OptimizationConfig(), class_weights
    )
    batches = iter(tf.data.Dataset.from_tensors(batch))
    sums = train_steps(batches, tf.constant(1, tf.int64), train_step.first_sums(strategy))
    return [*(variable.numpy() for variable in model.variables), train_step.total(strategy, sums)]


def test_a_record_counts_by_its_weight():
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(4, 3)).astype("f4"), np.array([0, 1, 2, 3])
    weight = np.array([2, 0, 1, 0], "f4")
    weighted = trained({"image": image, "label": label, "weight": weight}, batch_size=4)
    repeated = [0, 0, 2]
    plain = trained({"image": image[repeated], "label": label[repeated]}, batch_size=4)
    for one, other in zip(weighted[:-1], plain[:-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_mixed_image_counts_for_both_its_labels_by_their_shares():
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(2, 3)).astype("f4"), np.array([0, 1])
    other, share = np.array([3, 2]), np.array([0.75, 0.5], "f4")
    mixed = {"image": image, "label": label, "other_label": other, "share": share}
    twice = {
        "image": np.tile(image, (2, 1)),
        "label": np.concatenate([label, other]),
        "weight": np.concatenate([share, 1 - share]),
    }
    for one, same in zip(trained(mixed, 2)[:-1], trained(twice, 2)[:-1], strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-5, atol=1e-7)


def test_a_record_counts_by_its_class_and_its_own_weight():
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(4, 3)).astype("f4"), np.array([0, 1, 1, 3])
    weight, class_weights = np.array([2, 1, 1, 3], "f4"), np.array([1, 2.5, 7, 4], "f4")
    both = trained({"image": image, "label": label, "weight": weight}, 4, class_weights)
    multiplied = trained(
        {"image": image, "label": label, "weight": weight * class_weights[label]}, 4
    )
    for one, same in zip(both, multiplied, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-5, atol=1e-7)


def test_each_part_of_a_mixed_image_counts_by_its_own_class():
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(2, 3)).astype("f4"), np.array([0, 1])
    other, share = np.array([3, 2]), np.array([0.75, 0.5], "f4")
    class_weights = np.array([1, 2.5, 7, 4], "f4")
    mixed = {"image": image, "label": label, "other_label": other, "share": share}
    weights = np.concatenate([share * class_weights[label], (1 - share) * class_weights[other]])
    twice = {
        "image": np.tile(image, (2, 1)),
        "label": np.concatenate([label, other]),
        "weight": weights,
    }
    *one, sums = trained(mixed, 2, class_weights)
    *same, same_sums = trained(twice, 2)
    for variable, expected in zip(one, same, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(sums[0], same_sums[0], rtol=1e-5)


def test_xla_compiles_the_gradients_and_the_update():
    assert compiled_functions(jit_compile=True) == 2
    assert compiled_functions(jit_compile=False) == 0


def compiled_functions(**options) -> int:
    strategy = tf.distribute.get_strategy()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    train_steps: Any = train_step.make_train_steps(
        strategy, model, optimizer, 2, OptimizationConfig(**options)
    )
    batch = {"image": np.ones((2, 3), "f4"), "label": np.array([0, 1])}
    batches = iter(tf.data.Dataset.from_tensors(batch))
    graph = train_steps.get_concrete_function(
        batches, tf.constant(1, tf.int64), train_step.first_sums(strategy)
    ).graph.as_graph_def()
    return sum("_XlaMustCompile" in function.attr for function in graph.library.function)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("bad", [0, 4, 6])
def test_steps_are_counted_up_to_the_first_loss_that_is_no_number(parts, bad):
    """In the first part of its batch, or the last; later losses may be numbers again."""
    strategy = tf.distribute.get_strategy()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer = keras.optimizers.SGD(0.0)
    optimizer.build(model.trainable_variables)
    train_steps = train_step.make_train_steps(
        strategy, model, optimizer, 4, OptimizationConfig(grad_accum_steps=parts)
    )
    image = np.random.default_rng(0).normal(size=(28, 3)).astype("f4")
    image[4 * bad + bad % 4] = np.inf
    records = {"image": image, "label": np.zeros(28, np.int64)}
    batches = iter(tf.data.Dataset.from_tensor_slices(records).batch(4))
    sums = train_step.first_sums(strategy, (5.0, 2.0))
    assert train_step.finite_steps(strategy, sums) == 0
    for count in (1, 6):
        sums = train_steps(batches, tf.constant(count, tf.int64), sums)
    assert train_step.finite_steps(strategy, sums) == bad
    assert np.isnan(train_step.total(strategy, sums)[0])
