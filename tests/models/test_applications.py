"""Keras's networks by name."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from headrace.errors import UsageError, UserError
from models import applications, registry
from models.layers.batch_norm import GlobalBatchNormalization
from tests.conftest import ROOT

# Of every family, the one that is built fastest.
SMALLEST = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "resnet50",
    "resnet50_v2",
    "vgg16",
    "vgg19",
    "xception",
]


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the batch normalisations of a model."""
    layers = model._flatten_layers()
    return [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]


def test_every_network_of_keras_has_a_name():
    constructors = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {each.constructor for each in applications.NAMES.values()} == constructors
    families = {each.family for each in applications.NAMES.values()}
    assert {applications.NAMES[name].family for name in SMALLEST} == families


@pytest.mark.parametrize("name", SMALLEST)
def test_it_is_kerass_own_with_logits(name):
    application = applications.NAMES[name]
    size = application.min_size
    model = registry.build(f"applications/{name}", (size, size, 3), 7)
    constructor = getattr(keras.applications, application.constructor)
    own = constructor(include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg")
    features = own.output.shape[-1]
    assert model.count_params() == own.count_params() + 7 * (features + 1)
    assert [weight.shape for weight in model.weights[:-2]] == [x.shape for x in own.weights]
    assert all(isinstance(each, GlobalBatchNormalization) for each in batch_norms(model))


@pytest.mark.parametrize("name", SMALLEST)
def test_an_image_below_the_smallest_is_refused(name):
    least = registry.min_size(f"applications/{name}")
    with pytest.raises(UserError, match=f"at least {least}×{least}"):
        registry.build(f"applications/{name}", (least, least - 1, 3), 2)


def test_frozen_batch_norm_keeps_its_averages():
    model = registry.build("applications/mobilenet_v2", (32, 32, 3), 2)
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    model.trainable = False
    model(images, training=True)
    assert all(np.all(layer.moving_mean.numpy() == 0) for layer in batch_norms(model))
    model.trainable = True
    model(images, training=True)
    assert np.any(batch_norms(model)[0].moving_mean.numpy() != 0)


def test_each_is_fed_with_what_its_weights_expect():
    modes = {name: registry.normalization(f"applications/{name}") for name in applications.NAMES}
    assert (modes["resnet50"], modes["resnet50_v2"], modes["densenet121"]) == (
        "caffe",
        "tf",
        "torch",
    )
    assert modes["efficientnet_b7"] == modes["convnext_tiny"] == "none"
    assert registry.normalization("resnet") == "channel"


@pytest.mark.parametrize("name", ["applications/resnet", "applications/", "resnet50"])
def test_an_unknown_one_is_refused_with_what_there_is(name):
    with pytest.raises(UsageError, match="applications/resnet50"):
        registry.check(name, {})


# Keras looks for its cache when it is imported, so this takes a process of its own.
PUBLISHED = """
import numpy as np
from headrace.errors import UserError
from models import applications, registry
from models.weights import named
try:
    weights = applications.imagenet_weights("mobilenet", (224, 224, 3), print)
except UserError as error:
    print("refused", error)
else:
    model = registry.build("applications/mobilenet", (224, 224, 3), 2)
    print(named.assign(model, weights), float(model.get_layer("conv1").kernel.numpy().mean()))
"""


def published(home) -> list[str]:
    """Lines that the program prints, with Keras's cache in a folder and no network."""
    nowhere = {"KERAS_HOME": str(home), "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", PUBLISHED]
    finished = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, check=True
    )
    return finished.stdout.splitlines()


def test_published_weights_fill_the_body_from_the_cache_of_keras(tmp_path):
    (tmp_path / "models").mkdir()
    size = (224, 224, 3)
    own = keras.applications.MobileNet(include_top=False, weights=None, input_shape=size)
    own.get_layer("conv1").kernel.assign(np.full((3, 3, 3, 32), 0.25))
    own.save(tmp_path / "models/mobilenet_1_0_224_tf_no_top.h5")
    first, fresh = published(tmp_path)
    assert first == "weights of mobilenet: 13 MB, which Keras downloads into its cache once"
    assert fresh == "['logits/kernel', 'logits/bias'] 0.25"


def test_without_a_network_published_weights_are_missed_in_a_line(tmp_path):
    line = published(tmp_path)[-1]
    assert line.startswith("refused mobilenet: its published weights cannot be had (URL fetch")
    assert line.endswith("the file that it names into ~/.keras/models")
