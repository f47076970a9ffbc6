"""The registry, and what holds for every model in it, those that are added later as well."""

import functools
import importlib
import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from headrace.errors import UsageError, UserError
from models import registry
from models.layers import normalization
from tests.conftest import ROOT, run_program
from tests.models import small

CLASSES = 7

NEW_MODEL = '''"""A model in a file of its own."""

def build(input_shape, classes, *, width=2, names=("a",)):
    """Build it."""
    from keras import Input, Sequential, layers

    return Sequential([Input(input_shape), layers.Flatten(), layers.Dense(classes)])
'''


@functools.cache
def built(name: str) -> tuple[keras.Model, list[np.ndarray]]:
    """Return a small model, and its initial weights."""
    keras.utils.set_random_seed(3)
    model = registry.build(name, small.shape(name), CLASSES, **small.OPTIONS.get(name, {}))
    return model, model.get_weights()


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """Put a model that is nothing but a file beside the others; return its name."""
    (tmp_path / "annexed.py").write_text(NEW_MODEL)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    yield "annexed"
    sys.modules.pop("models.annexed", None)
    vars(models).pop("annexed", None)


@pytest.mark.parametrize("name", registry.names())
def test_logits_have_a_column_per_class_and_every_weight_a_gradient(name):
    model, _ = built(name)
    with tf.GradientTape() as tape:
        images = np.random.default_rng(0).normal(size=(3, *small.shape(name)))
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits**2)
    assert logits.shape == (3, CLASSES)
    assert logits.dtype == tf.float32
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert gradient is not None


@pytest.mark.parametrize("name", registry.names())
def test_the_same_seed_gives_the_same_weights(name):
    _, first = built(name)
    keras.utils.set_random_seed(3)
    again = registry.build(name, small.shape(name), CLASSES, **small.OPTIONS.get(name, {}))
    for one, other in zip(first, again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", registry.names())
def test_every_option_can_be_given_as_its_default(name):
    registry.check(name, registry.options(name))


@pytest.mark.parametrize("name", registry.names())
def test_the_file_of_a_model_says_what_it_is(name):
    module = importlib.import_module(f"models.{name}")
    assert module.__doc__
    parameters = inspect.signature(module.build).parameters
    assert set(parameters) <= set(module.build.__doc__.replace(":", " ").split())


@pytest.mark.parametrize("name", [each for each in registry.names() if registry.min_size(each) > 1])
def test_an_image_below_the_smallest_is_refused_and_would_not_do(name):
    least = registry.min_size(name)
    registry.build(name, (least, least, 3), 2, **small.OPTIONS.get(name, {}))
    shape = (least, least - 1, 3)
    with pytest.raises(UserError, match=f"at least {least}×{least}, received {least}×{least - 1}"):
        registry.build(name, shape, 2)
    with pytest.raises(UserError, match=f"at least {least}×{least}"):
        registry.check_size(name, shape)
    registry.check_size(name, (least, least, 3))
    with pytest.raises((ValueError, UserError), match="size"):
        importlib.import_module(f"models.{name}").build(shape, 2)


def test_the_fields_of_a_style_are_options_of_the_model():
    options = registry.options("alexnet")
    assert options["l2"] == 2e-4
    assert options["batch_norm"] == "after"
    assert "style" not in options
    given = {"activation": "gelu", "l2": 0.0, "max_norm": 2.0, "batch_norm": "none"}
    model = registry.build("alexnet", (64, 64, 3), 2, units=(4,), **given)
    assert not model.losses
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert all(layer.kernel_constraint.max_value == 2.0 for layer in kernels)
    assert not any("batch_norm" in layer.name for layer in model.layers)


@pytest.mark.parametrize("name", registry.names())
def test_each_is_fed_with_a_normalisation_that_there_is(name):
    assert registry.normalization(name) in normalization.MODES


def test_a_file_says_what_its_model_is_fed_with_and_has_its_weights(one_file, tmp_path):
    assert registry.normalization(one_file) == "channel"
    assert not registry.has_imagenet_weights(one_file)
    more = """
NORMALIZATION = "unit"

def imagenet_weights():
    return {"logits/bias": 3}
"""
    (tmp_path / f"{one_file}.py").write_text(NEW_MODEL + more)
    sys.modules.pop(f"models.{one_file}")
    importlib.invalidate_caches()
    assert registry.normalization(one_file) == "unit"
    assert registry.has_imagenet_weights(one_file)
    assert registry.imagenet_weights(one_file, (32, 32, 3), print) == {"logits/bias": 3}
    with pytest.raises(UserError, match=r"of 3 channels, and these have 1; prepare"):
        registry.imagenet_weights(one_file, (32, 32, 1), print)


def test_a_model_without_weights_names_those_that_have_some():
    name = "lenet"
    assert not registry.has_imagenet_weights(name)
    assert registry.has_imagenet_weights("applications/vgg16")
    having = ", ".join(each for each in registry.names() if registry.has_imagenet_weights(each))
    assert "efficientnet_lite0" in having
    with pytest.raises(UserError, match=f"for {name}; there are for {having} and for all"):
        registry.imagenet_weights(name, (64, 64, 3), print)


def test_a_file_is_all_that_a_model_takes(one_file):
    assert one_file in registry.names()
    assert {"lenet", "resnet_cifar"} < set(registry.names())
    assert registry.options(one_file) == {"width": 2, "names": ("a",)}
    with pytest.raises(UsageError, match=r"width is of the kind of 2, received 0\.5"):
        registry.check(one_file, {"width": 0.5})
    assert registry.build(one_file, (2, 2, 1), 3, names=["b"]).count_params() == 15


def test_what_lies_beside_the_models_is_none():
    others = {"classifier", "cost", "layers", "reference", "registry", "torch_file"}
    assert not others & set(registry.names())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lenett", {}, f"there are {', '.join(registry.names())}"),
        ("registry", {}, "unknown model 'registry'"),
        ("layers.batch_norm", {}, "unknown model"),
        ("lenet", {"dropout": 0.5}, "it has activation, kernel_initializer"),
        ("lenet", {"activation": 3}, "of the kind of 'tanh'"),
        ("resnet_cifar", {"stages": 9}, "of the kind of (9, 9, 9)"),
        ("resnet_cifar", {"stages": (9, "9")}, "received (9, '9')"),
        ("resnet_cifar", {"reg": True}, "received True"),
    ],
)
def test_a_wrong_name_or_option_is_refused(name, options, words):
    with pytest.raises(UsageError) as error:
        registry.check(name, options)
    assert words in str(error.value)


def test_the_help_of_training_names_every_model():
    text = " ".join(run_program("trainer.task", "--help").stdout.split())
    assert f"The model: {', '.join(registry.names())}; or applications/NAME" in text


def test_names_and_options_are_known_without_tensorflow():
    code = (
        "import sys; from models import registry\n"
        "for name in registry.names(): \n"
        "    registry.check(name, registry.options(name))\n"
        "    registry.normalization(name), registry.has_imagenet_weights(name)\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["lenet", "annexed", "applications/vgg16"])
def test_a_model_without_weights_of_images_reads_none(name, one_file):
    """The network stands for any: nothing is done with it."""

    def batches():
        raise AssertionError
        yield

    network = keras.Sequential([keras.Input((2,))])
    assert registry.initial_weights(name, network, batches()) == []
