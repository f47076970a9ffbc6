"""The ResNet for small images against the published counts of its parameters and layers."""

import keras
import pytest
import tensorflow as tf

from headrace.errors import UserError
from models import resnet_cifar


@pytest.fixture(scope="module")
def model():
    """Build the network of the defaults; not to be changed."""
    return resnet_cifar.build((32, 32, 3), 10)


def weighted(model: keras.Model) -> list[keras.Layer]:
    """Return the convolutions and dense layers of a model."""
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]


def test_it_has_the_published_parameter_count_and_depth(model):
    assert model.count_params() == 60_790
    # Shortcut projections are not counted in the published depth.
    assert len(weighted(model)) - 3 == 83


@pytest.mark.parametrize(
    ("filters", "parameters"), [((16, 64, 128, 256), 880_774), ((64, 64, 128, 256), 886_102)]
)
def test_wider_networks_have_the_published_parameter_counts(filters, parameters):
    assert resnet_cifar.build((32, 32, 3), 10, filters=filters).count_params() == parameters


def test_the_stem_for_tiny_imagenet_halves_the_image():
    model = resnet_cifar.build(
        (64, 64, 3), 200, stages=(3, 4, 6), filters=(64, 128, 256, 512), stem="tiny_imagenet"
    )
    assert model.count_params() == 2_265_748
    assert model.layers[-2].input.shape == (None, 8, 8, 512)


def test_no_pointwise_convolution_is_strided(model):
    """Its gradient writes beyond its memory on a CPU, in oneDNN, when the channels are few."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    strided = {layer.kernel_size for layer in convolutions if layer.strides != (1, 1)}
    assert strided == {(3, 3)}
    assert model.get_layer("logits").input.shape == (None, 64)


def test_images_of_any_shape_that_its_stages_can_halve_are_taken():
    model = resnet_cifar.build((16, 8, 1), 7, stages=(1, 1), filters=[4] * 3)
    assert model(tf.zeros((3, 16, 8, 1))).shape == (3, 7)


def test_regularisation_reaches_every_convolution():
    model = resnet_cifar.build((8, 8, 3), 2, stages=(1,), filters=(4, 4), reg=0.5)
    assert len(model.losses) == len(weighted(model)) == 6
    squares = sum(float(tf.reduce_sum(layer.kernel**2)) for layer in weighted(model))
    assert float(sum(model.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((32, 32, 3), {"stages": (1, 1)}, "one more of filters than of stages"),
        ((32, 32, 3), {"stages": (), "filters": (4,)}, "one more of filters"),
        ((32, 32, 3), {"stages": (1,), "filters": (2, 4)}, "filters of 4 or more"),
        ((32, 32, 3), {"stem": "imagenet"}, "stem=cifar or stem=tiny_imagenet"),
        ((4, 4, 3), {"stem": "tiny_imagenet"}, "at least 8×8, received 4×4"),
        ((2, 2, 3), {}, "at least 4×4, received 2×2; use a larger `image_size`"),
    ],
)
def test_an_impossible_shape_is_refused(shape, options, words):
    with pytest.raises(UserError) as error:
        resnet_cifar.build(shape, 10, **options)
    assert words in str(error.value)
