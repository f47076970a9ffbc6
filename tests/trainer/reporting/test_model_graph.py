"""The drawing of a network: what stands in it, its size, and what it needs."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from headrace.errors import UserError
from models import classifier, registry
from models.layers.normalization import Normalization
from trainer.reporting import model_graph


def lenet() -> keras.Model:
    keras.backend.clear_session()
    return classifier.build((32, 32, 1), 10, model="lenet", normalization=Normalization("unit"))


@pytest.mark.parametrize(("file_format", "name"), [("png", "PNG"), ("jpeg", "JPEG")])
def test_it_is_a_picture_of_the_layers_from_top_to_bottom(file_format, name):
    picture = Image.open(io.BytesIO(model_graph.draw(lenet(), file_format)))
    assert picture.format == name
    width, height = picture.size
    assert 250 < width < 600
    assert 500 < height < 1200  # 16 layers
    pixels = np.asarray(picture.convert("L"))
    assert (pixels > 220).mean() > 0.7  # paper
    assert 0.01 < (pixels < 100).mean() < 0.3  # lines and letters


def test_each_layer_has_its_name_kind_and_shape_and_its_network_a_frame():
    svg = model_graph.draw(lenet(), "svg").decode()
    for text in ("c3", "10×10×16", "AveragePooling2D", "TrueDivide", "32×32×1", "logits"):
        assert text in svg
    assert 'class="cluster"' in svg
    assert svg.count('class="node"') == 16
    assert svg.count('class="edge"') == 15


def test_names_with_marks_of_markup_are_drawn():
    image = keras.Input((2,), name="a&b")
    svg = model_graph.draw(keras.Model(image, keras.layers.Dense(2)(image)), "svg").decode()
    assert "a&amp;b" in svg


def test_a_deep_network_is_drawn_at_the_size_that_can_be_read():
    """Of 700 layers, the boxes of Keras would come out at a quarter of their size."""
    model = registry.build("applications/densenet201", (32, 32, 3), 10)
    picture = Image.open(io.BytesIO(model_graph.draw(model, "png")))
    width, height = picture.size
    assert 400 < width < 4000
    assert len(model.layers) * 35 < height < 32_767


def test_without_graphviz_the_error_names_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"needs Graphviz.*dot.*install graphviz"):
        model_graph.draw(lenet(), "png")


def test_without_pydot_the_error_says_how_to_install_it(monkeypatch):
    def fail(*_, **__):
        raise ImportError("pydot")

    monkeypatch.setattr(keras.utils, "model_to_dot", fail)
    with pytest.raises(UserError, match=r"needs pydot.*pip install 'headrace\[graph\]'"):
        model_graph.draw(lenet(), "png")
