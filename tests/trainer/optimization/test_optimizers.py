"""What an optimizer keeps besides the weights: moving averages and the loss scale."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.optimization import ema, optimizers


def model_and(optimizer) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer.build(model.trainable_variables)
    return model, optimizer


def step(model, optimizer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimizer.apply([tf.constant(rng.normal(size=v.shape), "float32") for v in model.weights])


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_the_average_is_that_of_all_weights_so_far(name):
    model, optimizer = model_and(optimizers.create(name, 0.1, ema=0.75))
    expected = None
    for number in range(5):
        step(model, optimizer, number)
        now = model.get_weights()
        before = expected or now
        expected = [0.75 * e + 0.25 * w for e, w in zip(before, now, strict=True)]
    with ema.average_weights(model, optimizer):
        for value, average in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(value, average, rtol=1e-5)
    assert not np.allclose(now[0], expected[0])


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
def test_weights_are_the_same_after_an_evaluation_on_averages_even_one_that_failed(mixed_precision):
    model, optimizer = model_and(optimizers.create("adam", 0.1, 0.9, mixed_precision))
    for number in range(3):
        step(model, optimizer, number)
    before = [v.numpy() for v in (*model.variables, *optimizer.variables)]
    with pytest.raises(ZeroDivisionError), ema.average_weights(model, optimizer):
        assert not np.array_equal(model.get_weights()[0], before[0])
        raise ZeroDivisionError
    for variable, value in zip((*model.variables, *optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_without_an_average_an_evaluation_is_on_the_weights():
    model, optimizer = model_and(optimizers.create("momentum", 0.1))
    step(model, optimizer, 0)
    before = model.get_weights()
    with ema.average_weights(model, optimizer):
        np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_checkpoint_holds_averages_slots_and_the_loss_scale(tmp_path):
    model, optimizer = model_and(optimizers.create("adam", 0.1, 0.9, "float16"))
    for number in range(3):
        step(model, optimizer, number)
    optimizer.apply([tf.fill(v.shape, np.inf) for v in model.weights])
    assert optimizer.dynamic_scale.numpy() == 2**14
    step(model, optimizer, 4)
    path = tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(tmp_path / "saved"))

    other, fresh = model_and(optimizers.create("adam", 0.1, 0.9, "float16"))
    tf.train.Checkpoint(model=other, optimizer=fresh).restore(path).assert_consumed()
    assert len(fresh.variables) > 8
    for variable, saved in zip(fresh.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), saved.numpy(), err_msg=variable.path)


@pytest.mark.parametrize("mixed_precision", ["none", "float16"])
@pytest.mark.parametrize("name", optimizers.NAMES)
def test_what_was_trained_before_the_first_checkpoint_comes_back(name, mixed_precision, tmp_path):
    """Some optimizers take up objects of their own with the first step."""
    model, optimizer = model_and(optimizers.create(name, 0.1, 0.9, mixed_precision))
    state = TrainState(model, optimizer)
    manager = CheckpointManager(str(tmp_path), state)
    for number in range(3):
        step(model, optimizer, number)
    state.step = 3
    manager.save()
    manager.wait()

    other, fresh = model_and(optimizers.create(name, 0.1, 0.9, mixed_precision))
    restored = TrainState(other, fresh)
    CheckpointManager(str(tmp_path), restored).restore()
    assert restored.step == 3
    for one, same in ((model, other), (optimizer, fresh)):
        for variable, value in zip(same.variables, one.variables, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value.numpy(), err_msg=variable.path)
