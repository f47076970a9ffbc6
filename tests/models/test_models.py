"""The registry, and the networks against the published counts of their parameters."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from headrace.errors import UsageError, UserError
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("filters", "parameters"),
    [((16, 16, 32, 64), 60_790), ((16, 64, 128, 256), 880_774), ((64, 64, 128, 256), 886_102)],
)
def test_resnet_cifar_has_the_published_parameter_counts(filters, parameters):
    model = models.build("resnet_cifar", (32, 32, 3), 10, filters=filters)
    assert model.count_params() == parameters
    weighted = (keras.layers.Conv2D, keras.layers.Dense)
    # Shortcut projections are not counted in the published depth.
    assert sum(isinstance(layer, weighted) for layer in model.layers) - 3 == 83


def test_no_pointwise_convolution_is_strided():
    """Its gradient writes beyond its memory on a CPU, in oneDNN, when the channels are few."""
    model = models.build("resnet_cifar", (32, 32, 3), 10)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    strided = {layer.kernel_size for layer in convolutions if layer.strides != (1, 1)}
    assert strided == {(3, 3)}
    assert model.get_layer("logits").input.shape == (None, 64)


def test_lenet_has_the_published_parameter_count():
    assert models.build("lenet", (32, 32, 1), 10).count_params() == 61_706


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("lenet", (36, 32, 3), {}),
        ("resnet_cifar", (16, 8, 1), {"stages": (1, 1), "filters": [4] * 3}),
    ],
)
def test_logits_have_a_column_per_class_and_every_weight_a_gradient(name, shape, options):
    model = models.build(name, shape, 7, **options)
    with tf.GradientTape() as tape:
        logits = model(np.random.default_rng(0).normal(size=(3, *shape)), training=True)
        loss = tf.reduce_sum(logits**2)
    assert logits.shape == (3, 7)
    assert logits.dtype == tf.float32
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert gradient is not None


def test_regularisation_reaches_every_convolution():
    model = models.build("resnet_cifar", (8, 8, 3), 2, stages=(1,), filters=(4, 4), reg=0.5)
    penalised = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert len(model.losses) == len(penalised) == 6
    squares = sum(float(tf.reduce_sum(layer.kernel**2)) for layer in penalised)
    assert float(sum(model.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


def test_the_same_seed_gives_the_same_weights():
    def weights():
        keras.utils.set_random_seed(3)
        return models.build("lenet", (32, 32, 1), 10).get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lenett", {}, "there are lenet, resnet_cifar"),
        ("lenet", {"dropout": 0.5}, "it has activation"),
        ("lenet", {"activation": 3}, "of the kind of 'tanh'"),
        ("resnet_cifar", {"stages": 9}, "of the kind of (9, 9, 9)"),
        ("resnet_cifar", {"stages": (9, "9")}, "received (9, '9')"),
        ("resnet_cifar", {"reg": True}, "received True"),
    ],
)
def test_a_wrong_name_or_option_is_refused(name, options, words):
    with pytest.raises(UsageError) as error:
        models.check(name, options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("lenet", (8, 32, 1), {}, "received 8×32; use --image_size=32,32"),
        ("resnet_cifar", (32, 32, 3), {"stages": (1, 1)}, "one more of filters than of stages"),
        ("resnet_cifar", (32, 32, 3), {"stages": (), "filters": (4,)}, "one more of filters"),
        ("resnet_cifar", (32, 32, 3), {"stages": (1,), "filters": (2, 4)}, "filters of 4 or more"),
        ("resnet_cifar", (2, 2, 3), {}, "at least 4×4"),
    ],
)
def test_an_impossible_shape_is_refused(name, shape, options, words):
    with pytest.raises(UserError) as error:
        models.build(name, shape, 10, **options)
    assert words in str(error.value)


def test_names_and_options_are_checked_without_tensorflow():
    code = (
        "import sys, models; models.check('lenet', {'activation': 'relu'}); models.names();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
