"""VGG of 16 layers against its published count."""

import keras
import pytest

from headrace.errors import UserError
from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 138_357_544),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("vgg16", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert model.count_params() == parameters


@pytest.mark.parametrize("blocks", [(2, 2, 3, 3), (2, 2, 3, 3, 0)])
def test_blocks_other_than_five_are_refused(blocks):
    with pytest.raises(UserError, match="expected five blocks of 1 or more"):
        registry.build("vgg16", (32, 32, 3), 2, blocks=blocks)


def test_its_body_takes_the_weights_of_kerass_own():
    model = registry.build("vgg16", (32, 32, 3), 2, units=(4,))
    own = [weight for weight in model.weights if weight.path.startswith("block")]
    keras_own = keras.applications.VGG16(False, None, input_shape=(32, 32, 3)).weights
    assert [(w.path, w.shape) for w in own] == [(w.path, w.shape) for w in keras_own]
