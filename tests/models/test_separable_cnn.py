"""The separable network against its published counts."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 38_949),
        ({"separable": False}, 282_282),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("separable_cnn", (64, 64, 3), 10, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
