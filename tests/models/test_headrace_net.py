"""Headrace's own network against the published count of airbench94, and its first weights."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models import classifier, headrace_net, registry
from models.layers.batch_norm import GlobalBatchNormalization
from models.layers.normalization import Normalization
from models.layers.whitening import PatchWhitening

NARROW: dict[str, object] = {"widths": (8, 16)}


def weights(options: dict[str, object]) -> int:
    network = registry.build("headrace_net", (32, 32, 3), 10, **options)
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def test_it_has_the_published_parameter_counts():
    assert headrace_net.build((32, 32, 3), 10).count_params() == 1_162_168
    network = headrace_net.build((32, 32, 3), 10, widths=(64, 256, 256))
    assert network.count_params() == 1_973_944
    statistics = 2 * 2 * (64 + 256 + 256)
    trained = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert trained == 1_971_640 - 288
    assert network.count_params() == trained + 288 + statistics
    assert network.layers[-1].name == "logits"
    assert network.layers[-1].input.shape == (None, 256)


def test_each_option_changes_its_part():
    trained = weights(NARROW)
    assert weights({**NARROW, "whitening": False}) == trained + 288
    assert weights({**NARROW, "bn_scale": True}) == trained + 2 * (8 + 16)
    assert weights({"widths": (8, 16, 4)}) == trained + 9 * (16 * 4 + 4 * 4) + 2 * 4 - 12 * 10
    for options in ({"pooling": "average"}, {"logit_scale": 1.0}, {"activation": "silu"}):
        keras.utils.set_random_seed(1)
        network = registry.build("headrace_net", (16, 16, 3), 10, **NARROW, **options)
        keras.utils.set_random_seed(1)
        base = registry.build("headrace_net", (16, 16, 3), 10, **NARROW)
        images = np.random.default_rng(0).normal(size=(2, 16, 16, 3))
        assert np.abs(np.asarray(network(images)) - base(images)).max() > 1e-3, options


def test_convolutions_begin_as_copies_of_their_input():
    """Of the maximum, where there is one; so all filters of the whitening come to the end."""
    network = registry.build("headrace_net", (17, 17, 1), 10, widths=(8, 8), bn_epsilon=1e-6)
    images = np.abs(np.random.default_rng(0).normal(size=(4, 17, 17, 1)))
    first, *_ = (each for each in network.layers if isinstance(each, keras.layers.Activation))
    *_, last = (each for each in network.layers if isinstance(each, keras.layers.Activation))
    outputs = keras.Model(network.input, [first.output, last.output])(images)
    begin, end = map(np.asarray, outputs)
    maxima = begin.reshape(4, 4, 4, 4, 4, 8).max((2, 4))
    np.testing.assert_allclose(end, maxima, rtol=1e-4)


def test_normalisation_has_no_factor_and_an_epsilon_that_its_fused_operation_takes():
    network = headrace_net.build((32, 32, 3), 10)
    norms = [each for each in network.layers if isinstance(each, GlobalBatchNormalization)]
    assert len(norms) == 6
    assert {(norm.scale, norm.momentum) for norm in norms} == {(False, 0.6)}
    assert min(norm.epsilon for norm in norms) >= 1.001e-5


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", ["unit", "per_image"])
def test_its_first_layer_whitens_what_the_normalisation_gives_it(channels, mode):
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 9, (60, 9, 9, channels))
    images = np.cumsum(np.cumsum(steps, 1), 2).astype(np.uint8)
    normalization = Normalization(mode)
    network = classifier.build(
        (9, 9, channels), 3, model="headrace_net", normalization=normalization
    )
    before = network.get_weights()
    given = classifier.initial_weights(
        network, np.array_split(images, 5), model="headrace_net", normalization=normalization
    )
    (inner,) = (layer for layer in network.layers if isinstance(layer, keras.Model))
    (layer,) = (layer for layer in inner.layers if isinstance(layer, PatchWhitening))
    assert [variable for variable, _ in given] == [layer.kernel, layer.bias]
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for variable, value in given:
        variable.assign(value)

    seen = keras.Model(inner.input, layer.output)
    levels = images.astype(np.float32) / 255
    if mode == "per_image":
        levels = (levels - levels.mean((1, 2, 3), keepdims=True)) / np.maximum(
            levels.std((1, 2, 3), keepdims=True), 1e-9
        )
    outputs = np.asarray(seen(levels)).reshape(-1, 8 * channels)[:, : 4 * channels]
    np.testing.assert_allclose(np.cov(outputs.T), np.eye(4 * channels), atol=0.05)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=5e-3)


def test_without_whitening_no_image_is_read():
    network = headrace_net.build((9, 9, 1), 3, whitening=False)

    def batches():
        raise AssertionError
        yield

    assert headrace_net.initial_weights(network, batches()) == []


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((8, 32, 3), {}, "at least 9×9, received 8×32; use a larger `image_size`"),
        ((16, 16, 3), {"widths": (8, 8, 8, 8)}, "4 widths need images of at least 17×17"),
        ((32, 32, 3), {"widths": ()}, "expected widths of 1 or more"),
        ((32, 32, 3), {"widths": (8, 0)}, "received (8, 0)"),
        ((32, 32, 3), {"pooling": "min"}, "expected pooling=max or average, received 'min'"),
    ],
)
def test_an_impossible_network_is_refused(shape, options, words):
    with pytest.raises(UserError) as error:
        headrace_net.build(shape, 10, **options)
    assert words in str(error.value)
