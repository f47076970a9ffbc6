"""Keras's networks by name."""

import keras
import numpy as np
import pytest

from headrace.errors import UsageError, UserError
from models import applications, registry
from models.layers.batch_norm import GlobalBatchNormalization

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
