"""ZFNet against the count of its published layers."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 62_357_608),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("zfnet", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
