"""The plain network for CIFAR-10 against its published count."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 1_626_442),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("cifar_cnn", (32, 32, 3), 10, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
