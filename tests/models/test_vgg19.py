"""VGG of 19 layers against its published count."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 143_667_240),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("vgg19", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
