"""MiniGoogLeNet against its published count."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 1_656_250),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("mini_googlenet", (32, 32, 3), 10, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
