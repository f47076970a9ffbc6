"""The network for cats and dogs against its published counts."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 3_453_121), ({"dropout": 0.5}, 3_453_121)]
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("cats_dogs_cnn", (150, 150, 3), 1, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
