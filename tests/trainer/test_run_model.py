"""The network that a run's config describes."""

import keras
import numpy as np
import pytest

from headrace.errors import UserError
from tests.trainer.configs import with_values
from trainer import run_dir, run_model
from trainer.config.run import RunConfig

CONFIG = with_values(
    RunConfig(),
    normalization="channel",
    classes=["a", "b", "c"],
    channels=1,
    mean=[100.0],
    std=[50.0],
    image_size=[8, 6],
    model="resnet_cifar",
    model_options={"stages": [1], "filters": [4, 4]},
)


def test_it_has_the_shape_the_options_and_the_precision_of_the_config():
    network = run_model.build(with_values(CONFIG, mixed_precision="bfloat16"))
    assert network.input_shape == (None, 8, 6, 1)
    assert network.output_shape == (None, 3)
    (body,) = (layer for layer in network.layers if isinstance(layer, keras.Model))
    assert body.name == "resnet_cifar"
    assert {layer.compute_dtype for layer in body.layers if layer.weights} == {"bfloat16"}
    (layer,) = (each for each in network.layers if isinstance(each, keras.layers.Normalization))
    assert np.ravel(layer.mean).tolist() == [100.0]
    assert np.ravel(layer.variance).tolist() == [2500.0]


def test_a_mean_image_is_that_of_the_run_directory(tmp_path):
    config = with_values(CONFIG, normalization="mean_image")
    with pytest.raises(UserError, match=r"has no mean_image.npy yet; train with"):
        run_model.build_from_run_dir(config, str(tmp_path))
    mean_image = np.random.default_rng(0).uniform(0, 255, (8, 6, 1)).astype(np.float32)
    run_dir.make(str(tmp_path), "{}", "", mean_image)
    network = run_model.build_from_run_dir(config, str(tmp_path))
    (layer,) = (each for each in network.layers if isinstance(each, keras.layers.Normalization))
    np.testing.assert_array_equal(layer.mean[0], mean_image)
