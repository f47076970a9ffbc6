"""What an optimizer keeps besides the weights, and that checkpoints have it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.configs import with_values
from tests.trainer.optimization.models import descend, model_and, step, two_layers
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config.optimization import OPTIMIZERS
from trainer.config.run import RunConfig
from trainer.optimization import optimizers


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
@pytest.mark.parametrize("name", OPTIMIZERS)
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


def test_the_learning_rate_has_the_digits_of_32_bits():
    _, optimizer = model_and(optimizers.create("sgd", 0.1, mixed_precision="float16"))
    assert optimizers.learning_rate(optimizer) == 0.1
    optimizer.learning_rate = 1 / 3
    assert optimizers.learning_rate(optimizer) == 0.3333333


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_has_the_options_that_keras_knows_and_takes_them(name):
    made = optimizers.create(name, 0.1, options=OPTIMIZERS[name])
    config = made.get_config()
    for option, value in OPTIMIZERS[name].items():
        assert config[option] == value, option


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_spares_biases_and_is_the_rate_times_the_weight(name):
    """Of two optimizers on the same gradients, one decays: the difference of a first step."""

    def stepped(weight_decay: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        values = {"optimizer": name, "learning_rate": 0.5, "weight_decay": weight_decay}
        optimizer = optimizers.build(with_values(RunConfig(), **values), model)
        before = model.get_weights()
        step(model, optimizer, 0)
        return before, model.get_weights()

    before, plain = stepped(0.0)
    _, decayed = stepped(0.25)
    if name == "adafactor":  # its step is relative to the weights, which have become smaller
        assert (np.abs(decayed[0]) < np.abs(plain[0])).mean() > 0.5
    elif name == "schedule_free_adamw":  # its first rate is smaller, by the root of 1 - beta_2
        rate = 0.5 * 0.001**0.5
        np.testing.assert_allclose(plain[0] - decayed[0], 0.25 * rate * before[0], atol=1e-6)
    elif name != "lamb":  # likewise, of the whole layer
        np.testing.assert_allclose(plain[0] - decayed[0], 0.125 * before[0], atol=1e-5)
    np.testing.assert_allclose(plain[1], decayed[1], atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "schedule_free_adamw", "mixed_precision": "float16"},
        {"optimizer": "nadam", "lookahead_steps": 3, "ema_decay": 0.9},
        {
            "optimizer": "schedule_free_adamw",
            "lookahead_steps": 4,
            "group_optimizers": ("one/*=nadam(learning_rate=0.2)", "*/kernel=muon"),
            "weight_decay": 0.1,
        },
        {
            "lookahead_steps": 2,
            "group_optimizers": ("*=adamax",),
            "ema_decay": 0.9,
            "mixed_precision": "float16",
        },
    ],
)
def test_who_restores_a_checkpoint_goes_on_as_if_there_had_been_none(values, tmp_path):
    model, optimizer = two_layers(**values, learning_rate=0.1)
    state = TrainState(model, optimizer)
    descend(model, optimizer, 5)
    manager = CheckpointManager(str(tmp_path), state)
    state.step = 5
    manager.save()
    manager.wait()

    other, fresh = two_layers(**values, learning_rate=0.1)
    CheckpointManager(str(tmp_path), TrainState(other, fresh)).restore()
    for each in ((model, optimizer), (other, fresh)):
        descend(*each, 4)
    for one, same in ((model, other), (optimizer, fresh)):
        for variable, value in zip(same.variables, one.variables, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value.numpy(), err_msg=variable.path)


def test_what_is_off_leaves_no_variables_behind():
    _, optimizer = two_layers(optimizer="adam")
    made = optimizers.create("adam", 0.01)
    made.build(optimizer._trainable_variables)
    assert type(optimizer) is type(made)
    names = [[v.name for v in each.variables] for each in (optimizer, made)]
    assert names[0] == names[1]
    assert "_backend_update_step" not in vars(optimizer)
