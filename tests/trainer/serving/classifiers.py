"""A small classifier of random weights, and image files for it; and those of trained runs."""

import functools
import pathlib

import keras
import numpy as np
import tensorflow as tf

from input.preprocessing.spec import Preprocessing
from models import classifier
from models.layers.normalization import Normalization
from trainer.checkpoints import restore
from trainer.config import run as run_config
from trainer.serving.classifier import Classifier

CLASSES = ("däark", "grey", "light")


@functools.cache
def small_classifier() -> Classifier:
    """Return a classifier of 8×6 RGB images; no two of its weights are equal."""
    keras.utils.set_random_seed(1)
    network = classifier.build(
        (8, 6, 3),
        len(CLASSES),
        model="resnet_cifar",
        options={"stages": (1,), "filters": (4, 4)},
        normalization=Normalization("unit"),
    )
    rng = np.random.default_rng(2)
    network.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in network.get_weights()])
    return Classifier(network, Preprocessing((8, 6)), CLASSES)


def trained_classifier(workdir: pathlib.Path, which: str = "latest") -> Classifier:
    """Return the classifier of a run, with the weights of a checkpoint."""
    config = run_config.read(str(workdir))
    network, _ = restore.load_model(config, str(workdir), which)
    return Classifier(network, config.data.preprocessing, config.dataset.classes)


def encoded_images() -> list[bytes]:
    """Return the bytes of files of each kind, none of the model's size."""
    pixels = np.random.default_rng(4).integers(0, 256, (3, 20, 11, 3), dtype=np.uint8)
    encoders = (tf.io.encode_png, functools.partial(tf.io.encode_jpeg, quality=100))
    return [encode(image).numpy() for encode in encoders for image in pixels]
