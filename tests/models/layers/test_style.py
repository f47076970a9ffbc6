"""Layers that are made by a style."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models.layers.style import Style

KINDS = {"conv": (4, 3), "separable_conv": (4, 3), "depthwise_conv": (3,), "dense": (4,)}


def made(style: Style, method: str, **options) -> list[keras.Layer]:
    """Return the layers that a method of a style puts behind an input."""
    x = keras.Input((5,) if method == "dense" else (8, 8, 5))
    output = getattr(style, method)(x, *KINDS[method], **options)
    return keras.Model(x, output).layers[1:]


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("none", ["Activation"]),
        ("before", ["GlobalBatchNormalization", "Activation"]),
        ("after", ["Activation", "GlobalBatchNormalization"]),
    ],
)
def test_batch_norm_stands_where_it_is_said(method, place, order):
    kernel, *others = made(Style(batch_norm=place), method, name="a")
    assert [type(layer).__name__ for layer in others] == order
    names = {"Activation": "a_act", "GlobalBatchNormalization": "a_bn"}
    assert [kernel.name, *(layer.name for layer in others)] == ["a", *(names[x] for x in order)]


@pytest.mark.parametrize("method", KINDS)
def test_kernels_have_the_initializer_the_penalty_and_the_bound(method):
    style = Style(kernel_initializer="ones", l1=0.5, l2=0.25, max_norm=2.0)
    layer = made(style, method)[0]
    kernels = [weight for weight in layer.trainable_weights if "bias" not in weight.name]
    count = sum(np.prod(kernel.shape) for kernel in kernels)
    assert float(sum(layer.losses)) == pytest.approx(0.75 * count)
    for kernel in kernels:
        depthwise = kernel.name == "depthwise_kernel" or method == "depthwise_conv"
        axes = tuple(range(len(kernel.shape) - (2 if depthwise else 1)))
        norms = np.linalg.norm(
            np.asarray(kernel.constraint(kernel)).reshape(-1, *kernel.shape[len(axes) :]), axis=0
        )
        assert norms.max() <= 2.0001


def test_what_follows_a_convolution_is_not_called_one():
    layers = made(Style(batch_norm="before"), "conv", name="stem_conv")
    assert [layer.name for layer in layers] == ["stem_conv", "stem_bn", "stem_act"]


@pytest.mark.parametrize(("initializer", "variance"), [("he_normal", 2), ("glorot_uniform", 1)])
def test_a_depthwise_convolution_is_drawn_for_the_inputs_of_one_channel(initializer, variance):
    images = keras.Input((8, 8, 512))
    output = Style(kernel_initializer=initializer).depthwise_conv(images, 5)
    kernel = keras.Model(images, output).layers[1].kernel.numpy()
    assert kernel.shape == (5, 5, 512, 1)
    assert np.var(kernel) == pytest.approx(variance / 25, rel=0.1)


def test_the_logits_are_linear_and_penalised_as_the_rest():
    features = keras.Input((5,))
    layer = keras.Model(features, Style(activation="tanh", l2=0.1).logits(features, 3)).layers[-1]
    assert (layer.name, layer.activation.__name__, layer.units) == ("logits", "linear", 3)
    assert layer.kernel_regularizer is not None
    layer = keras.Model(features, Style().logits(features, 3, use_bias=False)).layers[-1]
    assert layer.count_params() == 15


def test_the_maximum_is_taken_before_the_normalisation_which_may_have_no_factor():
    style = Style(batch_norm="before", bn_scale=False)
    convolution, pool, norm, _ = made(style, "conv", pool=2)
    assert convolution.output.shape == (None, 8, 8, 4)
    assert isinstance(pool, keras.layers.MaxPooling2D)
    assert norm.input.shape == (None, 4, 4, 4)
    assert [weight.name for weight in norm.trainable_weights] == ["beta"]


def test_a_strided_pointwise_convolution_takes_every_second_pixel_first():
    image = keras.Input((8, 8, 5))
    pool, convolution, _ = keras.Model(image, Style().conv(image, 4, 1, strides=2)).layers[1:]
    assert isinstance(pool, keras.layers.MaxPooling2D)
    assert (pool.pool_size, pool.strides, convolution.strides) == ((1, 1), (2, 2), (1, 1))
    assert convolution.output.shape == (None, 4, 4, 4)
    assert made(Style(), "conv", strides=2)[0].strides == (2, 2)


def test_a_linear_convolution_has_no_activation():
    layers = made(Style(batch_norm="before"), "conv", linear=True, use_bias=False)
    assert [type(layer).__name__ for layer in layers] == ["Conv2D", "GlobalBatchNormalization"]
    assert not layers[0].use_bias


@pytest.mark.parametrize(
    ("style", "words"),
    [
        (Style(batch_norm="behind"), "batch_norm of none, before, after, received 'behind'"),
        (Style(kernel_initializer="he"), "no initializer 'he'; use one such as"),
        (Style(activation="rely"), "unknown activation 'rely'"),
    ],
)
def test_what_there_is_not_is_refused(style, words):
    with pytest.raises(UserError, match=words):
        made(style, "conv")
