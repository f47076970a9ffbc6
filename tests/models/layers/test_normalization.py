"""Normalisation: each mode against its definition, saved and loaded, and under 16 bits."""

import importlib
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UsageError
from models.layers import normalization
from models.layers.normalization import Normalization
from tests.conftest import ROOT

RNG = np.random.default_rng(0)
IMAGES = {c: RNG.integers(0, 256, (5, 6, 7, c), dtype=np.uint8) for c in (1, 3)}
MEAN, STD = {1: [99.5], 3: [10.0, 120.25, 200.0]}, {1: [7.0], 3: [50.0, 60.0, 0.5]}
MEAN_IMAGE = {c: RNG.uniform(0, 255, (6, 7, c)).astype(np.float32) for c in (1, 3)}

DEFINED = {
    "channel": lambda x, c: (x - MEAN[c]) / STD[c],
    "mean": lambda x, c: x - MEAN[c],
    "mean_image": lambda x, c: x - MEAN_IMAGE[c],
    "per_image": lambda x, c: tf.image.per_image_standardization(x).numpy(),
    "unit": lambda x, c: x / 255,
    "tf": lambda x, c: x / 127.5 - 1,
    "lite": lambda x, c: (x - 127) / 128,
    "torch": lambda x, c: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    "caffe": lambda x, c: x[..., ::-1] - [103.939, 116.779, 123.68],
    "none": lambda x, c: x,
}


def network(mode, channels=3, shape=(6, 7)):
    pixels = keras.Input((*shape, channels), dtype="uint8")
    spec = Normalization(mode, MEAN[channels], STD[channels], MEAN_IMAGE[channels])
    return keras.Model(pixels, normalization.normalise(pixels, spec))


def cases():
    for mode in normalization.MODES:
        for channels in (3,) if mode in ("caffe", "torch") else (1, 3):
            yield mode, channels


@pytest.mark.parametrize(("mode", "channels"), list(cases()))
def test_a_mode_is_as_defined(mode, channels):
    images = IMAGES[channels]
    actual = network(mode, channels)(images).numpy()
    assert actual.dtype == np.float32
    expected = DEFINED[mode](images.astype(np.float64), channels)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


def test_saved_networks_give_the_same_and_need_nothing_of_ours(tmp_path):
    expected = {}
    for mode, channels in cases():
        model = network(mode, channels)
        model.save(tmp_path / f"{mode}-{channels}.keras")
        np.save(tmp_path / f"{mode}-{channels}.images.npy", IMAGES[channels])
        expected[f"{mode}-{channels}"] = model(IMAGES[channels]).numpy()
    code = """
import pathlib, sys, keras, numpy as np
for path in pathlib.Path().glob("*.keras"):
    model = keras.models.load_model(path)
    np.save(path.stem, model(np.load(f"{path.stem}.images.npy")))
assert "models" not in sys.modules
"""
    # In a folder and a process that do not see Headrace's modules.
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    for name, numbers in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), numbers, err_msg=name)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("mode", normalization.MODES)
def test_sixteen_bits_lose_nothing(mode, policy):
    expected = network(mode)(IMAGES[3])
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        actual = network(mode)(IMAGES[3])
    finally:
        keras.config.set_dtype_policy(before)
    assert actual.dtype == tf.float32
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", normalization.APPLICATION_MODES)
def test_an_application_gets_what_its_own_function_gives(name):
    module = importlib.import_module(f"keras.applications.{name}")
    expected = module.preprocess_input(IMAGES[3].astype(np.float32))
    actual = network(normalization.APPLICATION_MODES[name])(IMAGES[3])
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_every_application_is_there():
    modules = {module.name for module in pkgutil.iter_modules(keras.applications.__path__)}
    # The one holds what all share, the other names again what `resnet` has.
    assert modules - {"imagenet_utils", "resnet50"} == set(normalization.APPLICATION_MODES)


def test_the_mean_image_is_that_of_the_records_and_not_of_the_padding():
    images = IMAGES[3]
    exact = images.mean(0, dtype=np.float64)
    for size in (1, 2, 3, 5, 8):
        padded = np.pad(images, [(0, -len(images) % size), (0, 0), (0, 0), (0, 0)])
        weight = (np.arange(len(padded)) < len(images)).astype(np.float32)
        batches: list[dict[str, np.ndarray]] = [
            {"image": padded[i : i + size], "weight": weight[i : i + size]}
            for i in range(0, len(padded), size)
        ]
        actual = normalization.compute_mean_image(batches)
        assert actual.dtype == np.float32
        np.testing.assert_array_equal(actual, np.float32(exact))


def test_a_flat_image_is_not_divided_by_zero():
    flat = np.full((1, 6, 7, 3), 200, np.uint8)
    np.testing.assert_array_equal(network("per_image")(flat), np.zeros(flat.shape))


@pytest.mark.parametrize(
    ("mode", "channels", "shape", "words"),
    [
        ("imagenet", 3, (6, 7), "there are channel, mean"),
        ("caffe", 1, (6, 7), "is for RGB images, and these have 1 channel"),
        ("torch", 1, (6, 7), "is for RGB images"),
        ("mean_image", 3, (8, 7), "expected a mean image of 8×7×3, received 6×7×3"),
    ],
)
def test_what_cannot_be_is_refused(mode, channels, shape, words):
    with pytest.raises(UsageError) as error:
        network(mode, channels, shape)
    assert words in str(error.value)


def test_a_mean_image_that_was_not_given_is_missed():
    pixels = keras.Input((6, 7, 3), dtype="uint8")
    with pytest.raises(UsageError, match=r"mean image of 6×7×3, received none; compute it"):
        normalization.normalise(pixels, Normalization("mean_image"))


def test_modes_are_known_without_tensorflow():
    code = (
        "import sys; from models.layers import normalization; normalization.MODES;"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
