"""The small network for MNIST against its published counts."""

import keras
import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 93_322),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("mnist_cnn", (28, 28, 1), 10, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters


@pytest.mark.parametrize(("pooling", "last"), [(True, (3, 3, 64)), (False, (22, 22, 64))])
def test_the_base_is_the_same_with_pooling_and_without(pooling, last):
    model = registry.build("mnist_cnn", (28, 28, 1), 10, pooling=pooling)
    flatten = next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    base = keras.Model(model.input, flatten.input)
    assert base.count_params() == 55_744
    assert base.output.shape[1:] == last
