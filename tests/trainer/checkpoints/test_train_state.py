"""The state of a run, and the names under which checkpoints hold it."""

import functools
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.layers import activations
from models.layers.dropout import dropout
from tests.trainer import savers
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import DivergedError, TrainState


@pytest.fixture
def state() -> TrainState:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    return TrainState(model, optimizer)


def test_a_checkpoint_has_the_counters_by_the_names_that_it_always_had(state, tmp_path):
    """Run directories that were written before are read by them."""
    state.step, state.best_score, state.evals_since_best = 7, 0.25, 3
    state.last_eval_step, state.metric_sums, state.sums_from_step = 6, np.array([1.5, 4.0]), 5
    manager = CheckpointManager(str(tmp_path), state)
    manager.save()
    manager.wait()
    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints/step-00000007/variables"))
    counters = ("step", "best", "waited", "evaluated", "sums", "since")
    assert state.trackables().keys() == {"model", "optimizer", *counters}
    values = [reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE") for name in counters]
    assert [value.tolist() for value in values] == [7, 0.25, 3, 6, [1.5, 4.0], 5]
    assert [str(value.dtype) for value in values] == [
        "int64", "float64", "int64", "int64", "float64", "int64",
    ]  # fmt: skip


# Every layer of chance that a model of ours or of Keras can have.
CHANCE: dict[str, Callable] = {
    **{
        kind: functools.partial(dropout, rate=0.5, kind=kind)
        for kind in ("plain", "spatial", "alpha", "gaussian")
    },
    "rrelu": lambda x: activations.layer("rrelu")(x),
    "of Keras": lambda x: keras.layers.Dropout(0.5)(x),
    "stochastic depth": lambda x: keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 1))(x),
}


def dropping(kind: str = "plain") -> TrainState:
    images = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 1)(images)
    model = keras.Model(images, CHANCE[kind](CHANCE[kind](x)))
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    return TrainState(model, optimizer)


@pytest.mark.parametrize("kind", CHANCE)
def test_what_layers_of_chance_draw_next_is_part_of_the_state(kind, tmp_path):
    state, images = dropping(kind), np.linspace(-1, 1, 512, dtype="f4").reshape(8, 8, 8, 1)
    state.model(images, training=True)
    manager = CheckpointManager(str(tmp_path), state)
    manager.save()
    manager.wait()
    expected = [state.model(images, training=True).numpy() for _ in range(3)]
    again = dropping(kind)
    CheckpointManager(str(tmp_path), again).restore()
    for values in expected:
        np.testing.assert_array_equal(again.model(images, training=True).numpy(), values)
    assert not np.array_equal(*expected[:2])


def test_a_checkpoint_from_before_that_is_restored_all_the_same(tmp_path, monkeypatch):
    state = dropping()
    with monkeypatch.context() as patch:
        patch.setattr(state, "_seeds", [])
        manager = CheckpointManager(str(tmp_path), state)
    manager.save()
    manager.wait()
    again = dropping()
    CheckpointManager(str(tmp_path), again).restore()
    for one, other in zip(state.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_counters_come_back_as_plain_numbers():
    state, other = savers.tiny(), savers.tiny()
    assert (other.step, other.best_score) == (0, -math.inf)
    savers.fill(state, 3)
    state.record_evaluation(0.5)
    state.write_counters()
    for variable, value in zip(other._counters.values(), state._counters.values(), strict=True):
        variable.assign(value)
    other.read_counters()
    assert savers.content(other) >= {3.0}
    assert (other.best_score, other.last_eval_step) == (0.5, 3)
    assert [type(value) for value in (other.step, other.best_score)] == [int, float]


def counting(min_delta: float = 0.0) -> TrainState:
    """A state that counts evaluations, and has nothing else."""
    state = TrainState.__new__(TrainState)
    state.step, state.min_delta, state.evals_since_best = 9, min_delta, 0
    state.best_score = state.reference_score = -math.inf
    return state


@given(st.lists(st.sampled_from([0.25, 0.5, 0.75, math.nan]), min_size=1, max_size=12))
def test_the_best_score_is_the_first_of_the_highest_and_never_no_number(scores):
    state = counting()
    best = [state.record_evaluation(score) for score in scores]
    numbers = [score for score in scores if not math.isnan(score)]
    assert state.best_score == max(numbers, default=-math.inf)
    last = max((n for n, is_best in enumerate(best) if is_best), default=-1)
    assert state.evals_since_best == len(scores) - 1 - last
    assert not numbers or last == scores.index(max(numbers))
    assert state.last_eval_step == 9


@given(
    st.lists(st.integers(0, 64).map(lambda number: number / 64), min_size=1, max_size=20),
    st.sampled_from([0.0, 1 / 64, 0.25]),
    st.sampled_from(["max", "min"]),
)
def test_evaluations_wait_as_kerass_early_stopping_does(values, min_delta, mode):
    """And the best one is the very best, by however little."""
    callback = keras.callbacks.EarlyStopping("value", min_delta, patience=99, mode=mode)
    callback.set_model(keras.Sequential())
    callback.on_train_begin()
    state, sign = counting(min_delta), 1 if mode == "max" else -1
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"value": value})
        earlier = [sign * each for each in values[:epoch]]
        is_best = sign * value > max(earlier, default=-math.inf)
        assert state.record_evaluation(sign * value) is state.is_best is is_best
        assert state.evals_since_best == callback.wait


def test_with_a_least_step_a_checkpoint_knows_what_is_to_be_beaten(tmp_path):
    """One of a run without it goes on as if the best was that."""

    def made(min_delta: float) -> TrainState:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
        return TrainState(model, optimizer, min_delta)

    def restored(workdir, min_delta: float) -> TrainState:
        state = made(min_delta)
        manager = CheckpointManager(workdir, state, fingerprint={"min_delta": min_delta})
        manager.restore(allow_changes=True)
        return state

    for name, min_delta in (("with", 0.25), ("without", 0.0)):
        state = made(min_delta)
        for state.step, score in enumerate((0.5, 0.625, 0.7)):
            state.record_evaluation(score)
        workdir = str(tmp_path / name)
        manager = CheckpointManager(workdir, state, fingerprint={"min_delta": min_delta})
        manager.save()
        manager.wait()
    found = restored(str(tmp_path / "with"), 0.25)
    assert (found.best_score, found.reference_score, found.evals_since_best) == (0.7, 0.5, 2)
    assert [found.record_evaluation(score) for score in (0.75, 0.76)] == [True, True]
    assert found.evals_since_best == 0
    found = restored(str(tmp_path / "without"), 0.25)
    assert (found.best_score, found.reference_score, found.evals_since_best) == (0.7, 0.7, 0)
    found = restored(str(tmp_path / "with"), 0.0)
    assert (found.best_score, found.evals_since_best) == (0.7, 2)
    assert not found.record_evaluation(0.7)


def test_weights_that_are_no_numbers_are_not_saved(state, tmp_path):
    manager = CheckpointManager(str(tmp_path), state)
    state.step = 7
    state.model.weights[1].assign([math.inf])
    with pytest.raises(DivergedError, match=r"^the weights are no longer finite at step 7; lower"):
        manager.save()
    assert not list(tmp_path.iterdir())


def test_means_are_those_of_the_images_since_the_last_line(state):
    state.step, state.sums_from_step, state.metric_sums = 12, 10, np.array([4.0, 6.0])
    assert state.mean_metrics(batch_size=4) == (0.5, 0.75)
    state.reset_sums()
    assert (state.sums_from_step, state.metric_sums.tolist()) == (12, [0.0, 0.0])


def test_forgotten_evaluations_let_the_next_one_be_the_best(state):
    state.record_evaluation(0.9)
    state.record_evaluation(0.1)
    state.forget_evaluations()
    assert state.evals_since_best == 0
    assert state.record_evaluation(0.1)


def test_the_learning_rate_is_the_optimizers(state):
    assert state.learning_rate == 0.5
    state.base_learning_rate = 0.1
    assert state.learning_rate == 0.1
    assert state.optimizer.learning_rate.numpy() == np.float32(0.1)
