"""Activations by name, against what their papers say."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models.layers import activations

LEVELS = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]], np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", np.maximum(LEVELS, 0)),
        ("elu", np.where(LEVELS > 0, LEVELS, np.expm1(LEVELS))),
        ("silu", LEVELS / (1 + np.exp(-LEVELS))),
        ("swish", LEVELS / (1 + np.exp(-LEVELS))),
        ("mish", LEVELS * np.tanh(np.log1p(np.exp(LEVELS)))),
        ("gelu_tanh", [[-0.0454023, -0.154286, 0, 0.345714, 1.954598]]),
        ("leaky_relu", np.where(LEVELS > 0, LEVELS, 0.2 * LEVELS)),
        ("tanh", np.tanh(LEVELS)),
        ("prelu", np.where(LEVELS > 0, LEVELS, 0.25 * LEVELS)),
        ("rrelu", np.where(LEVELS > 0, LEVELS, 11 / 48 * LEVELS)),
    ],
)
def test_it_computes_what_its_paper_says(name, expected):
    np.testing.assert_allclose(activations.layer(name)(LEVELS), expected, atol=1e-6)


def test_a_prelu_has_a_slope_for_each_channel_wherever_in_the_image():
    layer = activations.layer("prelu", name="slope")
    layer(np.zeros((2, 4, 3, 5), np.float32))
    assert (layer.name, layer.count_params()) == ("slope", 5)


def test_the_slopes_of_a_rrelu_are_drawn_in_training_alone():
    layer = activations.layer("rrelu")
    ones = np.ones((50, 40), np.float32)
    slopes = -np.asarray(layer(-ones, training=True))
    assert 1 / 8 <= slopes.min() < 0.14
    assert 0.32 < slopes.max() <= 1 / 3
    np.testing.assert_array_equal(layer(ones, training=True), ones)
    assert np.unique(layer(-ones, training=False)).size == 1


def test_a_network_of_rrelus_knows_its_shapes():
    image = keras.Input((4, 3, 2))
    assert activations.layer("rrelu")(image).shape == (None, 4, 3, 2)


def test_an_unknown_name_is_refused():
    with pytest.raises(
        UserError, match="unknown activation 'relo'; there are prelu, rrelu, gelu_tanh"
    ):
        activations.layer("relo")
