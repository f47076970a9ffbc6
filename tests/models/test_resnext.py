"""ResNeXt against its published counts, which leave moving averages out."""

import math

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 25_028_904), ({"depth": 101, "group_width": 8}, 88_791_336)]
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("resnext", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == parameters
