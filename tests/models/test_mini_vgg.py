"""MiniVGGNet against the count of its published layers."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 2_171_178), ({"batch_norm": "none"}, 2_168_362)]
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("mini_vgg", (32, 32, 3), 10, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters
