"""The norm of the weights."""

import keras
import numpy as np
import pytest

from tests.trainer.loop.actions.states import Log
from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.plot_weight_norm import PlotWeightNorm
from trainer.loop.step_planner import Period


def test_it_is_that_of_all_trainable_weights_together():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.add(keras.layers.BatchNormalization(trainable=False))
    model.layers[0].set_weights([np.array([[3.0], [0.0]]), np.array([-4.0])])
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    state, plot = TrainState(model, optimizer), Log()
    state.step = 6
    action = PlotWeightNorm(Period(20, (3,)), plot)
    assert [step for step in range(1, 10) if action.next_step(step - 1) == step] == [3, 6, 9]
    action(state)
    assert plot == [(6, "train", {"weight_norm": pytest.approx(5.0)})]
