"""ResNet against its published counts, which leave moving averages out."""

import math

import keras
import pytest

from headrace.errors import UserError
from models import registry


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"depth": 18}, 11_689_512),
        ({"depth": 34}, 21_797_672),
        ({"depth": 50}, 25_557_032),
        ({"depth": 101}, 44_549_160),
        ({"depth": 152}, 60_192_808),
    ],
)
def test_it_has_the_published_parameter_count(options, parameters):
    model = registry.build("resnet", (224, 224, 3), 1000, kernel_initializer="zeros", **options)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == parameters


def test_the_stem_for_small_images_keeps_their_size():
    model = registry.build("resnet", (16, 16, 3), 2, depth=18, stem="cifar")
    assert model.layers[-2].input.shape == (None, 2, 2, 512)
    assert not any(layer.strides == (2, 2) for layer in model.layers[:6] if "conv" in layer.name)


def test_blocks_are_left_out_evenly_more_with_depth():
    model = registry.build("resnet", (32, 32, 3), 2, depth=18, stochastic_depth=0.7)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 56}, "a depth of 18, 34, 26, 50, 101, 152, received 56"),
        ({"stem": "tiny"}, "stem=imagenet or stem=cifar, received 'tiny'"),
        ({"depth": 18, "groups": 32}, "groups in bottlenecks alone"),
        ({"group_width": 0}, "group_width=0"),
        ({"stochastic_depth": 1.0}, "less than 1, received 1.0"),
        ({"batch_norm": "first"}, "batch_norm of none, before, after"),
    ],
)
def test_an_impossible_option_is_refused(options, words):
    with pytest.raises(UserError) as error:
        registry.build("resnet", (32, 32, 3), 2, **options)
    assert words in str(error.value)
