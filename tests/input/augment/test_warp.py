"""One warp does what rotation, shift, shear, zoom and flips do one after the other."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from input.augment import warp
from tests.input.augment.batches import assert_augments, batch_rng, images

ROTATION = np.pi / 2
EVERYTHING: dict[str, Any] = {
    "rotation": 18,
    "width_shift": 0.2,
    "height_shift": 0.2,
    "shear": 0.15,
    "zoom": 0.15,
}
NOTHING = {
    "rotation": 0,
    "row_shift": 0,
    "column_shift": 0,
    "shear": 0,
    "row_zoom": 1,
    "column_zoom": 1,
}


def matrices(size, count=1, **amounts):
    flips = {
        name: np.broadcast_to(amounts.pop(name, False), [count])
        for name in ("mirror_rows", "mirror_columns")
    }
    numbers = {
        name: tf.constant(np.broadcast_to(value, [count]), tf.float64)
        for name, value in (NOTHING | amounts).items()
    }
    return warp.matrices(size, **numbers, **flips)


def warped(batch, fill="nearest", fill_value=0.0, **amounts):
    transforms = matrices(batch.shape[1:3], len(batch), **amounts)
    return warp.apply(tf.constant(batch), transforms, fill, fill_value).numpy()


def keras_2017(image, fill, fill_value, amounts):
    """As `ImageDataGenerator` did: an affine transform, then flips; rounded, not cut off."""
    turn, shear = amounts["rotation"], amounts["shear"]
    rotation = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    shift = [[1, 0, amounts["row_shift"]], [0, 1, amounts["column_shift"]], [0, 0, 1]]
    shear = [[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]
    zoom = np.diag([amounts["row_zoom"], amounts["column_zoom"], 1])
    row, column = (np.array(image.shape[:2]) - 1) / 2
    centre = np.array([[1, 0, row], [0, 1, column], [0, 0, 1]])
    steps = [centre, rotation, shift, shear, zoom, np.linalg.inv(centre)]
    matrix = functools.reduce(np.matmul, map(np.array, steps))
    # SciPy's "constant" has no pixels between the outermost one and the fill; Keras had it so.
    mode = "grid-constant" if fill == "constant" else fill
    planes = [
        scipy.ndimage.affine_transform(
            plane.astype(float), matrix[:2, :2], matrix[:2, 2], order=1, mode=mode, cval=fill_value
        )
        for plane in np.moveaxis(image, -1, 0)
    ]
    result = np.stack(planes, -1)
    result = result[:, ::-1] if amounts["mirror_columns"] else result
    return result[::-1] if amounts["mirror_rows"] else result


@given(
    st.fixed_dictionaries(
        {
            "rotation": st.floats(-3, 3),
            "row_shift": st.floats(-9, 9),
            "column_shift": st.floats(-9, 9),
            "shear": st.floats(-0.5, 0.5),
            "row_zoom": st.floats(0.5, 1.5),
            "column_zoom": st.floats(0.5, 1.5),
            "mirror_rows": st.booleans(),
            "mirror_columns": st.booleans(),
        }
    ),
    st.sampled_from(warp.FILLS),
    st.sampled_from([1, 3]),
)
@settings(max_examples=60)
def test_the_warp_is_that_of_keras_in_2017(amounts, fill, channels):
    image = images(1, 13, 18, channels)[0]
    # Smooth, so that a place a millionth of a pixel off changes no level by more than one.
    image = scipy.ndimage.gaussian_filter(image, (2, 2, 0))
    expected = keras_2017(image, fill, float(image[0, 0, 0]), amounts)
    found = warped(image[None], fill, float(image[0, 0, 0]), **amounts)[0]
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_every_fill_shows_beyond_the_border_what_it_says():
    row = np.array([[10, 20, 30]], np.uint8).reshape(1, 1, 3, 1)
    shown = {fill: warped(row, fill, 7.0, column_shift=2)[0, 0, :, 0] for fill in warp.FILLS}
    np.testing.assert_array_equal(shown["nearest"], [30, 30, 30])
    np.testing.assert_array_equal(shown["reflect"], [30, 30, 20])
    np.testing.assert_array_equal(shown["constant"], [30, 7, 7])


@pytest.mark.parametrize("fill", warp.FILLS)
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_asked_changes_nothing(fill, channels):
    for size in ((1, 1), (12, 10), (7, 32)):
        batch = images(3, *size, channels)
        np.testing.assert_array_equal(warped(batch, fill), batch)
        np.testing.assert_array_equal(warp.random_warp(batch, batch_rng(3), fill=fill), batch)


@pytest.mark.parametrize("fill", warp.FILLS)
@pytest.mark.parametrize("side", [7, 32, 224])
def test_quarter_turns_of_a_square_are_exact(fill, side):
    batch = images(1, side, side)
    for turns in range(-4, 5):
        expected = tf.image.rot90(batch, -turns)  # which turns the other way
        np.testing.assert_array_equal(warped(batch, fill, rotation=turns * ROTATION), expected)


@pytest.mark.parametrize("fill", warp.FILLS)
@pytest.mark.parametrize("size", [(6, 9), (32, 32), (223, 224)])
def test_flips_through_the_warp_are_reversals(fill, size):
    batch = images(2, *size)
    for rows, columns in itertools.product([False, True], repeat=2):
        found = warped(batch, fill, mirror_rows=rows, mirror_columns=columns)
        expected = batch[:, :: -1 if rows else 1, :: -1 if columns else 1]
        np.testing.assert_array_equal(found, expected)


@given(st.integers(-11, 11), st.integers(-9, 9))
@settings(max_examples=30)
def test_shifts_by_whole_pixels_are_exact(up, left):
    batch = images(1)
    rows, columns = (np.clip(np.arange(n) + by, 0, n - 1) for n, by in ((12, up), (10, left)))
    expected = batch[:, rows][:, :, columns]
    np.testing.assert_array_equal(warped(batch, row_shift=up, column_shift=left), expected)


def test_each_image_of_a_batch_has_its_own_warp():
    batch, turns = images(4, 8, 8), np.arange(4)
    expected = np.concatenate([tf.image.rot90(batch[turn : turn + 1], -turn) for turn in turns])
    np.testing.assert_array_equal(warped(batch, rotation=turns * ROTATION), expected)


def test_levels_are_rounded_and_not_cut_off():
    batch = np.array([0, 3], np.uint8).reshape(1, 1, 2, 1)
    assert warped(batch, column_shift=0.25)[0, 0, 0, 0] == 1  # of 0.75
    grey = images(4, 32, 32)
    turned = warped(grey, "reflect", rotation=0.3)
    np.testing.assert_allclose(turned.mean(), grey.mean(), atol=0.3)


def test_drawn_flips_alone_are_exact_and_those_of_the_warp():
    batch = images(256, 5, 6)
    flipped = warp.random_warp(
        batch, batch_rng(256), horizontal_flip=True, vertical_flip=True
    ).numpy()
    kinds = [batch, batch[:, :, ::-1], batch[:, ::-1], batch[:, ::-1, ::-1]]
    same = np.array([(flipped == kind).all((1, 2, 3)) for kind in kinds])
    np.testing.assert_array_equal(same.sum(0), 1)
    np.testing.assert_allclose(same.mean(1), 0.25, atol=0.1)
    # The least of warps sends the same images through the same mirrors.
    nearly = warp.random_warp(
        batch, batch_rng(256), rotation=1e-9, horizontal_flip=True, vertical_flip=True
    )
    np.testing.assert_array_equal(nearly, flipped)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_single_image_is_flipped_or_it_is_not(channels):
    image = images(1, 5, 6, channels)
    seen: set = set()
    for step in range(40):
        flipped = warp.flip(image, batch_rng(1, step), horizontal=True, vertical=True).numpy()
        kinds = [image, image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1]]
        seen.update(kind for kind in range(4) if (flipped == kinds[kind]).all())
        assert any((flipped == kind).all() for kind in kinds)
    assert seen == {0, 1, 2, 3}


def test_amounts_stay_in_their_ranges():
    """Each amount alone, read off the images: where the light half of an image ends up."""
    side, count = 64, 200
    ramp = np.broadcast_to(np.arange(side) * 2, [count, side, side])[..., None]
    columns = ramp.astype(np.uint8)
    moved = (
        warp.random_warp(columns, batch_rng(count), width_shift=0.25).numpy()[:, 32, 32, 0] / 2 - 32
    )
    assert -16 <= moved.min() < -14 and 14 < moved.max() <= 16
    still = warp.random_warp(columns, batch_rng(count), height_shift=0.25).numpy()
    np.testing.assert_array_equal(still, columns)
    wide = warp.random_warp(columns, batch_rng(count), zoom=0.3).numpy()[:, 32, :, 0].astype(float)
    factor = (wide[:, 40] - wide[:, 24]) / 32
    assert 0.65 < factor.min() < 0.75 and 1.25 < factor.max() < 1.35


def test_rows_and_columns_are_zoomed_apart():
    ramp = np.broadcast_to(np.arange(64) * 2, [200, 64, 64])
    batch = np.stack([ramp, ramp.transpose(0, 2, 1)], -1).astype(np.uint8)
    # The op takes any number of channels: the first tells of columns, the second of rows.
    seen = warp.random_warp(batch, batch_rng(200), zoom=0.3).numpy().astype(float)
    columns = seen[:, 32, 40, 0] - seen[:, 32, 24, 0]
    rows = seen[:, 40, 32, 1] - seen[:, 24, 32, 1]
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.2
    np.testing.assert_allclose(rows.std(), columns.std(), rtol=0.2)


def test_a_drawn_warp_is_pure_and_elastic():
    assert_augments(lambda i, d: warp.random_warp(i, d, **EVERYTHING), images())
    assert_augments(
        lambda i, d: warp.random_warp(i, d, **EVERYTHING, horizontal_flip=True, fill="reflect"),
        images(channels=1),
    )
    assert_augments(lambda i, d: warp.flip(i, d, vertical=True), images())
