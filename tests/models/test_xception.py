"""Xception against its published count."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 22_910_480),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("xception", (299, 299, 3), 1000, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
