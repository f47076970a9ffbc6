"""AlexNet against its published counts."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 58_327_810),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("alexnet", (227, 227, 3), 2, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
