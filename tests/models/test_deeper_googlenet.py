"""DeeperGoogLeNet against its published counts."""

import pytest

from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 3_667_976), ({"stage_4": False}, 773_752)]
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build(
        "deeper_googlenet", (64, 64, 3), 200, kernel_initializer="zeros", **options
    )
    assert model.count_params() == parameters
