"""Files of weights, as Keras writes them today and did before."""

import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from headrace.errors import UserError
from models import registry
from models.weights import keras_file, named
from tests.conftest import ROOT

BODY = ("stem/kernel", "stem/bias", "norm/gamma", "norm/moving_variance", "mix/pointwise_kernel")


def network(classes: int = 2) -> keras.Model:
    keras.utils.set_random_seed(classes)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(images)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.SeparableConv2D(3, 3, name="mix")(x)
    inner = keras.Model(images, x, name="inner")
    x = keras.layers.Flatten()(inner(images))
    return keras.Model(images, keras.layers.Dense(classes, name="logits")(x))


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_weights_are_found_by_their_layers_in_any_format(tmp_path, name):
    source, target, path = network(), network(3), str(tmp_path / name)
    save = source.save_weights if name == "a.weights.h5" else source.save
    save(path)
    arrays, expected = keras_file.read(path, target), named.values(source)
    assert set(BODY) < arrays.keys()
    for each in BODY:
        np.testing.assert_array_equal(arrays[each], expected[each])
    assert named.assign(target, arrays) == ["logits/kernel", "logits/bias"]


def test_they_are_found_whatever_network_their_layers_were_in(tmp_path):
    body, path = network().get_layer("inner"), str(tmp_path / "a.weights.h5")
    keras.Sequential([keras.Input((8, 8, 3)), keras.Sequential(body.layers[1:])]).save_weights(path)
    arrays = keras_file.read(path, network())
    for name, value in named.values(body).items():
        np.testing.assert_array_equal(arrays[name], value)


def test_names_of_before_keras_3_are_understood(tmp_path):
    path = tmp_path / "vgg16_notop.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("block1_conv1")
        group["block1_conv1_W_1:0"] = np.ones((3, 3, 3, 64))
        file.create_group("block1_conv2/block1_conv2")["kernel:0"] = np.full((3, 3, 64, 64), 2.0)
    arrays = keras_file.read(str(path), registry.build("vgg16", (32, 32, 3), 2, units=(2,)))
    assert (arrays["block1_conv2/kernel"] == 2).all()


def test_what_is_no_file_of_weights_is_refused_in_a_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "cut.keras").write_bytes(b"PK\x03\x04")
    (tmp_path / "text.h5").write_text("weights")
    (tmp_path / "nothing.h5").write_bytes(b"")
    for name in ("empty.keras", "cut.keras", "text.h5", "nothing.h5"):
        with pytest.raises(UserError, match=rf"{name} cannot be read as a file of Keras's weights"):
            keras_file.read(str(tmp_path / name), network())
    with pytest.raises(UserError, match=r"none\.h5 cannot be read .*No such file"):
        keras_file.read(str(tmp_path / "none.h5"), network())


def test_a_process_that_has_read_damage_ends_as_it_should(tmp_path):
    path = tmp_path / "a.weights.h5"
    network().save_weights(path)
    path.write_bytes(path.read_bytes()[:9000])
    code = f"from models.weights import keras_file; keras_file.read({str(path)!r}, None)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert finished.returncode == 1  # and not killed by a segmentation fault


def test_a_file_cut_anywhere_is_refused_or_read_in_part_but_never_wrong(tmp_path):
    source, path = network(), tmp_path / "a.weights.h5"
    source.save_weights(path)
    whole, expected = path.read_bytes(), named.values(source)
    for length in range(0, len(whole), 2048):
        path.write_bytes(whole[:length])
        try:
            arrays = keras_file.read(str(path), source)
        except UserError:
            continue
        for name, array in arrays.items():
            if name in expected:
                np.testing.assert_array_equal(array, expected[name])
