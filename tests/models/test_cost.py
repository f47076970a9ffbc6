"""Operations against counts by hand."""

import keras
import pytest

from models import cost, registry
from tests.conftest import run_program


def test_a_convolution_and_a_dense_layer_cost_two_for_each_multiplication():
    image = keras.Input((8, 6, 3))
    convolved = keras.layers.Conv2D(5, 3, use_bias=False)(image)
    flat = keras.layers.Flatten()(convolved)
    model = keras.Model(image, keras.layers.Dense(4, use_bias=False)(flat))
    convolution, dense = 2 * (6 * 4 * 5) * (3 * 3 * 3), 2 * (6 * 4 * 5) * 4
    assert cost.flops(model) == convolution + dense
    assert cost.layer_flops(model.layers[1:]) == [convolution, 0, dense]
    assert cost.layer_flops([]) == []


def test_a_known_network_costs_what_is_published():
    """Of ResNet-50, 3.86 thousand million multiplications with additions."""
    network = keras.applications.ResNet50(weights=None)
    assert 2 * 3.8e9 < cost.flops(network) < 2 * 4.1e9


def test_layers_with_the_same_input_twice_or_several_inputs_are_counted():
    image = keras.Input((2, 2, 3))
    twice = keras.layers.Add()([image, image])
    both = keras.layers.Multiply()([twice, image])
    difference = keras.ops.subtract(both, image)
    layers = keras.Model(image, difference).operations[1:]
    assert cost.layer_flops(layers) == [12, 12, 12]


@pytest.mark.parametrize("name", ["googlenet", "senet", "applications/mobilenet_v3_small"])
def test_layers_together_cost_what_their_network_does(name):
    model = registry.build(name, (32, 32, 3), 10)
    assert sum(cost.layer_flops(model.operations[1:])) == cost.flops(model)


def test_the_profiler_says_nothing():
    code = (
        "from headrace.tensorflow_import import import_tensorflow; import_tensorflow();"
        "import keras; from models import cost, registry;"
        "print(cost.flops(registry.build('mlp', (4, 4, 1), 2)) > 0)"
    )
    finished = run_program("timeit", "-n1", "-r1", code)
    assert finished.stderr == ""
    assert finished.stdout.startswith("True")
