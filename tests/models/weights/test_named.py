"""Weights by the names of their layers."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models.weights import named


def network(units: int = 4) -> keras.Model:
    """A network in a network; one of its layers has a name of its own."""
    images = keras.Input((3,))
    x = keras.layers.Dense(5, name="first")(images)
    x = keras.layers.BatchNormalization()(x)
    inner = keras.Model(images, keras.layers.Dense(units)(x))
    return keras.Model(images, keras.layers.Dense(2)(inner(images)))


def test_layers_are_counted_within_their_network_whatever_else_was_made_before():
    names = [*named.by_name(network())]
    assert names == [
        "first/kernel", "first/bias",
        *(f"batch_normalization#0/{name}" for name in
          ("gamma", "beta", "moving_mean", "moving_variance")),
        "dense#0/kernel", "dense#0/bias", "dense#1/kernel", "dense#1/bias",
    ]  # fmt: skip
    assert names == [*named.by_name(network())]


def test_all_weights_pass_to_an_equal_network():
    source, target = network(), network()
    for variable in source.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    assert named.assign(target, named.values(source)) == []
    for one, other in zip(source.weights, target.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_what_has_another_shape_stays_and_is_told():
    source, target = network(units=4), network(units=6)
    before = [variable.numpy() for variable in target.weights]
    others = {name: 7 + value for name, value in named.values(source).items()}
    layers = ("dense#0", "dense#1")
    expected = [f"{name}/{kind}" for name in layers for kind in ("kernel", "bias")][:-1]
    assert (fresh := named.assign(target, others)) == expected
    for (name, variable), value in zip(named.by_name(target).items(), before, strict=True):
        assert (variable.numpy() == value).all() == (name in fresh)


def test_weights_of_which_no_kernel_fits_are_refused():
    bias = {"first/bias": np.zeros(5)}
    with pytest.raises(UserError, match=r"no kernel of .*\(first/bias, …;"):
        named.assign(network(), bias)
    with pytest.raises(UserError, match=r"no kernel of .*\(a/kernel, …; its own are first/kernel,"):
        named.assign(network(), {"a/kernel": np.zeros(3)})
