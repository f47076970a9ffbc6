"""The multilayer perceptron against published counts of its parameters."""

import math

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models import mlp, registry


@pytest.mark.parametrize(
    ("units", "parameters"),
    [((512,), 407_050), ((300, 100), 266_610), ((512, 512), 669_706), ((), 7_850)],
)
def test_it_has_the_published_parameter_count(units, parameters):
    assert mlp.build((28, 28, 1), 10, units=units).count_params() == parameters


def test_the_defaults_are_one_hidden_layer_of_512():
    model = mlp.build((28, 28, 1), 10)
    assert model.count_params() == 407_050
    activations = [each for each in model.layers if isinstance(each, keras.layers.Activation)]
    assert [layer.activation.__name__ for layer in activations] == ["relu"]


def test_it_computes_what_its_layers_say():
    model = registry.build("mlp", (2, 3, 1), 4, units=[5], activation="tanh")
    image = np.random.default_rng(0).normal(size=(7, 2, 3, 1)).astype(np.float32)
    kernel, bias, last_kernel, last_bias = model.get_weights()
    expected = np.tanh(image.reshape(7, 6) @ kernel + bias) @ last_kernel + last_bias
    np.testing.assert_allclose(model(image), expected, rtol=1e-4, atol=1e-5)


def test_the_published_forms_with_batch_norm_and_with_dropout():
    normalised = registry.build("mlp", (28, 28, 1), 10, units=(300, 100), batch_norm="after")
    assert normalised.count_params() == 271_346
    assert sum(math.prod(weight.shape) for weight in normalised.trainable_weights) == 268_978
    dropped = registry.build("mlp", (28, 28, 1), 10, units=(100, 100), dropout=0.2)
    assert dropped.count_params() == 89_610
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in dropped.layers) == 3


@pytest.mark.parametrize("units", [(0,), (512, -1)])
def test_a_layer_without_units_is_refused(units):
    with pytest.raises(UserError) as error:
        mlp.build((28, 28, 1), 10, units=units)
    assert f"expected units of 1 or more, received units={units}" in str(error.value)
