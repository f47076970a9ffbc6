"""Colour jitter: against its definition, pixel by pixel, and the draws it takes."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from input.augment import color
from input.augment.rng import BatchRng
from tests.input.augment.pictures import photo, pictures

KINDS = ("brightness", "contrast", "saturation", "hue")
ALL = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def adjusted(pixels, **changes):
    changes = {name: tf.constant(value, tf.float32) for name, value in changes.items()}
    return color.adjust(tf.constant(pixels), **changes).numpy()


def grey(pixels):
    weights = np.array([0.299, 0.587, 0.114] if pixels.shape[-1] == 3 else [1])
    return (pixels * weights).sum(-1, keepdims=True)


def turned(pixels, turns):
    """Each pixel by way of hue, saturation and value."""
    out = np.empty(pixels.shape)
    for place in np.ndindex(pixels.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixels[place] / 255))
        out[place] = np.array(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value)) * 255
    return out


def defined(pixels, brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0):
    """The four one after the other, as torchvision defines each, in float64."""
    pixels = pixels * brightness
    pixels = contrast * pixels + (1 - contrast) * grey(pixels).mean()
    if pixels.shape[-1] == 3:
        pixels = saturation * pixels + (1 - saturation) * grey(pixels)
    pixels = pixels.clip(0, 255)
    return turned(pixels, hue) if pixels.shape[-1] == 3 and hue else pixels


def assert_as_defined(pixels, **changes):
    found = adjusted(pixels, **changes)
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    # Rounded right: half a level, and the rounding of float32 before it.
    assert np.abs(found - defined(pixels, **changes)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
def test_a_factor_is_as_defined(name, factor):
    for pixels in pictures():
        if name != "saturation" or pixels.shape[-1] == 3:
            assert_as_defined(pixels, **{name: factor})


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.02, 1 / 3, 0.5])
def test_a_turn_of_the_hue_is_as_defined(turns):
    for pixels in pictures():
        if pixels.shape[-1] == 3:
            assert_as_defined(pixels[:24, :24], hue=turns)


def test_a_third_of_a_turn_makes_red_green():
    red = np.array([[[200, 10, 30]]], np.uint8)
    assert adjusted(red, hue=1 / 3).tolist() == [[[30, 200, 10]]]


@given(
    changes=st.fixed_dictionaries(
        {name: st.floats(0, 2, width=32) for name in KINDS[:3]}
        | {"hue": st.floats(-0.5, 0.5, width=32)}
    ),
    seed=st.integers(0, 100),
)
def test_all_four_together_are_one_after_the_other(changes, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert_as_defined(pixels, **changes)


def test_factors_of_one_and_no_turn_change_nothing():
    for pixels in pictures():
        colour = {"saturation": 1.0, "hue": 0.0} if pixels.shape[-1] == 3 else {}
        found = adjusted(pixels, brightness=1.0, contrast=1.0, **colour)
        np.testing.assert_array_equal(found, pixels)


def jittered(images, first=0, count=None, step=3, seed=1, **amounts):
    count = len(images) if count is None else count
    rng = BatchRng(seed, tf.constant(step, tf.int64), len(images), first, count)
    jitter = tf.function(lambda part: color.jitter(part, rng, **amounts))
    return jitter(tf.constant(images[first : first + count])).numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pipeline_jitters_its_part_of_the_batch(channels):
    images = np.stack([np.roll(photo(), shift, 1) for shift in range(8)])[..., :channels]
    whole = jittered(images, **ALL)
    assert (whole.shape, whole.dtype) == (images.shape, np.uint8)
    for count in (1, 2, 4):
        parts = [jittered(images, first, count, **ALL) for first in range(0, 8, count)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_each_image_has_a_draw_of_its_own_and_each_step_another():
    images = np.repeat(photo()[None, :8, :8], 6, 0)
    for name, amount in ALL.items():
        found = jittered(images, **{name: amount})
        assert len({image.tobytes() for image in found}) > 3, name
        np.testing.assert_array_equal(found, jittered(images, **{name: amount}))
        assert (jittered(images, step=4, **{name: amount}) != found).any()


def test_factors_are_uniform_around_one_and_never_negative():
    images = np.full((4000, 1, 1, 1), 100, np.uint8)
    levels = jittered(images, brightness=0.4).ravel()
    assert (levels.min(), levels.max()) == (60, 140)
    np.testing.assert_allclose(levels.mean(), 100, atol=2)
    np.testing.assert_allclose(levels.std(), 80 / np.sqrt(12), atol=1)
    levels = jittered(images, brightness=1.5).ravel()
    assert levels.max() == 250
    assert (levels < 2).mean() < 0.02  # from [0, 2.5], and not from [-0.5, 2.5]


def test_saturation_and_hue_do_nothing_to_grey_images():
    images = photo()[None, ..., :1]
    np.testing.assert_array_equal(jittered(images, saturation=0.9, hue=0.5), images)


def test_grey_colours_stay_grey():
    images = np.repeat(photo()[None, ..., :1], 3, -1)
    found = jittered(images, saturation=0.9, hue=0.5)
    assert np.abs(found.astype(int) - images).max() == 0


def test_nothing_asked_for_is_nothing_done():
    images = photo()[None]
    np.testing.assert_array_equal(jittered(images), images)
