"""Predictions with dropout, of a network that has none and of one that has."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from input.preprocessing.spec import Preprocessing
from models import classifier
from models.layers.normalization import Normalization
from tests.trainer.serving.classifiers import encoded_images
from trainer.serving.mc_dropout import DropoutSampler


def sampler(model: str, samples: int = 4, seed: int = 0, **options) -> DropoutSampler:
    keras.utils.set_random_seed(1)
    network = classifier.build(
        (32, 32, 3), 3, model=model, options=options, normalization=Normalization("unit")
    )
    return DropoutSampler(network, Preprocessing((32, 32)), model=model, samples=samples, seed=seed)


def test_what_is_said_of_a_file_hangs_on_samples_and_seed_alone():
    one, other, *_ = encoded_images()
    four, three, again = (
        sampler("cifar_cnn", dropout=0.5, **options)
        for options in ({}, {"samples": 3}, {"seed": 1})
    )
    mean, deviation = four.classify_file("a.png", one)
    np.testing.assert_allclose(mean.sum(), 1, rtol=1e-6)
    assert 1 / 3 < mean.max() < 1
    assert all(0 < each < 0.5 for each in deviation)
    four.classify_file("b.png", other)
    np.testing.assert_array_equal(four.classify_file("c.png", one), (mean, deviation))
    for another in (three, again):
        assert not np.array_equal(another.classify_file("a.png", one), (mean, deviation))


def test_a_file_that_is_no_image_is_named():
    with pytest.raises(UserError, match=r"^b/c\.png is no sound JPEG, PNG, GIF or BMP image"):
        sampler("mini_vgg").classify_file("b/c.png", b"no image")


@pytest.mark.parametrize(
    ("model", "options", "remedy"),
    [
        ("lenet", {}, "train a model that has some, such as mini_vgg"),
        ("cifar_cnn", {}, "train it with --model_options=dropout=0.5"),
        ("mini_vgg", {"dropout": 0.0, "dense_dropout": 0.0}, "--model_options=dense_dropout=0.5"),
    ],
)
def test_a_network_without_dropout_is_refused_with_what_to_do(model, options, remedy):
    with pytest.raises(UserError) as error:
        sampler(model, **options)
    assert str(error.value).startswith(f"`mc_samples`=4: {model} has no dropout")
    assert str(error.value).endswith(remedy)
