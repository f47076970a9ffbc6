"""Operations against counts by hand."""

import keras

from models import cost


def test_a_convolution_and_a_dense_layer_cost_two_for_each_multiplication():
    image = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(5, 3, use_bias=False)(image)
    x = keras.layers.Dense(4, use_bias=False)(keras.layers.Flatten()(x))
    convolution, dense = 2 * (6 * 4 * 5) * (3 * 3 * 3), 2 * (6 * 4 * 5) * 4
    assert cost.flops(keras.Model(image, x)) == convolution + dense


def test_a_known_network_costs_what_is_published():
    """Of ResNet-50, 3.86 thousand million multiplications with additions."""
    network = keras.applications.ResNet50(weights=None)
    assert 2 * 3.8e9 < cost.flops(network) < 2 * 4.1e9
