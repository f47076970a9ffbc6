"""Operations of policies: Pillow's pixels, exactly."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from input.augment import ops
from tests.input.augment.pictures import pictures

FILL = {"L": ops.GREY, "RGB": (ops.GREY,) * 3}


def affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=FILL[image.mode])


PILLOW = {
    "Identity": lambda image, value: image,
    "ShearX": lambda image, value: affine(image, 1, value, 0, 0, 1, 0),
    "ShearY": lambda image, value: affine(image, 1, 0, 0, value, 1, 0),
    "TranslateX": lambda image, value: affine(image, 1, 0, value, 0, 1, 0),
    "TranslateY": lambda image, value: affine(image, 1, 0, 0, 0, 1, value),
    "Rotate": lambda image, value: image.rotate(value, fillcolor=FILL[image.mode]),
    "Brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "Color": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "Contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "Sharpness": lambda image, value: ImageEnhance.Sharpness(image).enhance(value),
    "Posterize": lambda image, value: ImageOps.posterize(image, int(value)),
    "Solarize": lambda image, value: ImageOps.solarize(image, value),
    "AutoContrast": lambda image, value: ImageOps.autocontrast(image),
    "Equalize": lambda image, value: ImageOps.equalize(image),
    "Invert": lambda image, value: ImageOps.invert(image),
}

# What leaves an image as it is, and the range of the values.
VALUES = {
    "Shear": (0, (-1, 1)),
    "Translate": (0, (-40, 40)),
    "Rotate": (0, (-180, 180)),
    "Posterize": (8, (1, 8)),
    "Solarize": (256, (0, 256)),
    "Brightness": (1, (0, 2)),
    "Color": (1, (0, 2)),
    "Contrast": (1, (0, 2)),
    "Sharpness": (1, (0, 2)),
}


def values(name):
    return next((value for key, value in VALUES.items() if name.startswith(key)), (0, (0, 0)))


@functools.cache
def graph(channels):
    """`ops.apply` for images of any size, traced once."""
    return tf.function(
        ops.apply,
        input_signature=[
            tf.TensorSpec([None, None, channels], tf.uint8),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.float32),
        ],
    ).get_concrete_function()


def applied(name, pixels, value):
    op, value = tf.constant(ops.NAMES.index(name)), tf.constant(value, tf.float32)
    return graph(pixels.shape[-1])(tf.constant(pixels), op, value).numpy()


def assert_as_pillow(name, pixels, value):
    value = float(np.float32(value))
    found = applied(name, pixels, value)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    wanted = np.asarray(PILLOW[name](picture, value)).reshape(pixels.shape)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, wanted, err_msg=f"{name}({value}) of {pixels.shape}")


@pytest.mark.parametrize("name", ops.NAMES)
def test_an_operation_gives_the_pixels_of_pillow(name):
    low, high = values(name)[1]
    rng = np.random.default_rng(0)
    for pixels in pictures():
        for value in (low, high, (low + high) / 2, *rng.uniform(low, high, 6)):
            assert_as_pillow(name, pixels, round(value) if "Translate" in name else value)


@given(
    name=st.sampled_from(ops.NAMES),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    levels=st.integers(1, 256),
    share=st.floats(0, 1, width=32),
    seed=st.integers(0, 2**16),
)
def test_small_and_flat_images_too(name, rows, columns, channels, levels, share, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, levels, (rows, columns, channels), dtype=np.uint8)
    low, high = values(name)[1]
    value = low + share * (high - low)
    assert_as_pillow(name, pixels, round(value) if "Translate" in name else value)


@pytest.mark.parametrize("name", sorted(set(ops.NAMES) - {"AutoContrast", "Equalize", "Invert"}))
def test_each_has_a_value_that_changes_nothing(name):
    for pixels in pictures():
        np.testing.assert_array_equal(applied(name, pixels, values(name)[0]), pixels)


@pytest.mark.parametrize("degrees", [90, -90, 180, 4.5 * 20])
def test_a_square_turns_by_right_angles_without_loss(degrees):
    for size in (8, 9):
        pixels = np.random.default_rng(size).integers(0, 256, (size, size, 3), dtype=np.uint8)
        turned = ops.rotate(tf.constant(pixels), tf.constant(float(degrees)))
        np.testing.assert_array_equal(turned, np.rot90(pixels, degrees // 90))


def test_only_the_operation_asked_for_is_computed():
    """All there is in the graph is the choice between graphs of one operation each."""
    kinds = [node.type for node in graph(3).graph.get_operations()]
    assert sorted(set(kinds) - {"Placeholder", "Identity"}) == ["StatelessCase"]
    assert kinds.count("StatelessCase") == 1
    assert list(PILLOW) == list(ops.NAMES)
