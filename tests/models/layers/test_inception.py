"""The inception module."""

import keras

from models.layers.inception import Widths, inception
from models.layers.style import Style


def test_a_module_has_the_channels_and_weights_of_the_papers_table():
    """The row 3a: 159 thousand parameters in the paper, which has no biases."""
    image = keras.Input((28, 28, 192))
    model = keras.Model(image, inception(image, Style(), Widths(64, 96, 128, 16, 32, 32), "3a"))
    assert model.output.shape == (None, 28, 28, 64 + 128 + 32 + 32)
    biases = 64 + 96 + 128 + 16 + 32 + 32
    assert model.count_params() - biases == 163_328
    assert {"3a_first", "3a_second2", "3a_fourth", "3a_mixed"} <= {x.name for x in model.layers}
