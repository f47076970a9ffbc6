"""LeNet-5 against the published count of its parameters."""

import pytest

from headrace.errors import UserError
from models import registry


@pytest.mark.parametrize(("classes", "parameters"), [(10, 61_706), (26, 63_066)])
def test_it_has_the_published_parameter_count(classes, parameters):
    assert registry.build("lenet", (32, 32, 1), classes).count_params() == parameters


def test_a_larger_image_has_a_larger_last_map():
    model = registry.build("lenet", (36, 32, 3), 7, activation="relu")
    assert model.get_layer("c5").output.shape == (None, 2, 1, 120)
    assert model.get_layer("f6_act").activation.__name__ == "relu"


@pytest.mark.parametrize("size", [(8, 32), (32, 31)])
def test_an_image_that_is_too_small_is_refused(size):
    with pytest.raises(UserError) as error:
        registry.build("lenet", (*size, 1), 10)
    assert f"received {size[0]}×{size[1]}; use `image_size`=32,32 or more" in str(error.value)
