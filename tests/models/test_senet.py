"""SENet against its published count, which leaves moving averages out."""

import math

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 28_088_024),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("senet", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == parameters
