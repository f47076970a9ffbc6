"""The registry, and what holds for every model in it, those that are added later as well."""

import functools
import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from headrace.errors import UsageError
from models import registry
from tests.conftest import ROOT, run_program

SHAPE, CLASSES = (32, 32, 3), 7

NEW_MODEL = '''"""A model in a file of its own."""

def build(input_shape, classes, *, width=2, names=("a",)):
    """Build it."""
    from keras import Input, Sequential, layers

    return Sequential([Input(input_shape), layers.Flatten(), layers.Dense(classes)])
'''


@functools.cache
def built(name: str) -> tuple[keras.Model, list[np.ndarray]]:
    """Return a model with the options that it has by default, and its initial weights."""
    keras.utils.set_random_seed(3)
    model = registry.build(name, SHAPE, CLASSES)
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
        logits = model(np.random.default_rng(0).normal(size=(3, *SHAPE)), training=True)
        loss = tf.reduce_sum(logits**2)
    assert logits.shape == (3, CLASSES)
    assert logits.dtype == tf.float32
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert gradient is not None


@pytest.mark.parametrize("name", registry.names())
def test_the_same_seed_gives_the_same_weights(name):
    _, first = built(name)
    keras.utils.set_random_seed(3)
    again = registry.build(name, SHAPE, CLASSES).get_weights()
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", registry.names())
def test_every_option_can_be_given_as_its_default(name):
    registry.check(name, registry.options(name))


@pytest.mark.parametrize("name", registry.names())
def test_the_file_of_a_model_says_what_it_is(name):
    module = importlib.import_module(f"models.{name}")
    assert module.__doc__
    assert set(registry.options(name)) <= set(module.build.__doc__.replace(":", " ").split())


def test_a_file_is_all_that_a_model_takes(one_file):
    assert one_file in registry.names()
    assert {"lenet", "resnet_cifar"} < set(registry.names())
    assert registry.options(one_file) == {"width": 2, "names": ("a",)}
    assert registry.signature(one_file) == "annexed (width=2; names=('a',))"
    with pytest.raises(UsageError, match=r"width is of the kind of 2, received 0\.5"):
        registry.check(one_file, {"width": 0.5})
    assert registry.build(one_file, (2, 2, 1), 3, names=["b"]).count_params() == 15


def test_what_lies_beside_the_models_is_none():
    assert not {"classifier", "layers", "registry"} & set(registry.names())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lenett", {}, f"there are {', '.join(registry.names())}"),
        ("registry", {}, "unknown model 'registry'"),
        ("layers.batch_norm", {}, "unknown model"),
        ("lenet", {"dropout": 0.5}, "it has activation"),
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


def test_the_help_of_training_names_every_model_and_its_options():
    text = " ".join(run_program("trainer.task", "--help").stdout.split())
    for name in registry.names():
        assert registry.signature(name) in text


def test_names_and_options_are_known_without_tensorflow():
    code = (
        "import sys; from models import registry\n"
        "for name in registry.names(): registry.check(name, registry.options(name))\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
