"""Erased rectangles: of the size asked for, with the filling asked for, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from input.augment import erasing
from tests.input.augment.batches import assert_augments, batch_rng, images


def rectangles(mask):
    """Rows and columns of what is erased of each image; fails where that is no rectangle."""
    for one in mask:
        rows, columns = one.any(1), one.any(0)
        assert (one == rows[:, None] & columns[None, :]).all()
        for edge in (rows, columns):
            inside = np.flatnonzero(edge)
            assert not len(inside) or inside[-1] - inside[0] + 1 == len(inside)
    return np.stack([mask.any(2).sum(1), mask.any(1).sum(1)], 1)


def bright(count, rows, columns, channels=3):
    return np.maximum(images(count, rows, columns, channels), 1)


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([1, 3]),
    st.integers(0, 30),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_cutout_takes_a_square_and_less_at_the_border(rows, columns, channels, side, step):
    batch = bright(6, rows, columns, channels)
    cut = erasing.cutout(batch, batch_rng(6, step), side).numpy()
    mask = (cut == 0).all(-1)
    np.testing.assert_array_equal(cut[~mask], batch[~mask])
    sizes = rectangles(mask)
    assert sizes.max() <= side
    least = np.minimum((side + 1) // 2, [rows, columns])  # a centre in a corner
    assert (sizes >= least).all() or side == 1 or (sizes >= side // 2).all()


def test_cutout_centres_are_uniform_over_the_image():
    batch = bright(2000, 8, 8)
    mask = (erasing.cutout(batch, batch_rng(2000), 1).numpy() == 0).all(-1)
    np.testing.assert_array_equal(mask.sum((1, 2)), 1)
    counts = mask.sum(0)
    assert counts.min() > 10 and counts.max() < 60  # of 31
    whole = (erasing.cutout(bright(500, 32, 32), batch_rng(500), 16).numpy() == 0).all(-1)
    sizes = rectangles(whole)
    assert sizes.max() == 16 and sizes.min() == 8


def test_no_square_and_no_chance_change_nothing():
    batch = images()
    np.testing.assert_array_equal(erasing.cutout(batch, batch_rng(), 0), batch)
    for fill in erasing.FILLS:
        kept = erasing.random_erasing(batch, batch_rng(), probability=0.0, fill=fill)
        np.testing.assert_array_equal(kept, batch)


def test_erased_rectangles_have_the_areas_and_aspects_asked_for():
    batch = bright(3000, 48, 64, 1)
    erased = erasing.random_erasing(
        batch,
        batch_rng(3000),
        probability=0.25,
        area=(0.1, 0.3),
        aspect=(0.5, 2.0),
        fill="constant",
    ).numpy()
    mask = (erased == 0).all(-1)
    np.testing.assert_array_equal(erased[~mask], batch[~mask])
    rows, columns = rectangles(mask).T
    hit = rows > 0
    np.testing.assert_allclose(hit.mean(), 0.25, atol=0.03)
    area, aspect = (rows * columns)[hit] / (48 * 64), columns[hit] / rows[hit]
    assert 0.095 < area.min() < 0.11 and 0.29 < area.max() < 0.305
    np.testing.assert_allclose(area.mean(), 0.2, atol=0.01)
    assert 0.48 < aspect.min() < 0.55 and 1.8 < aspect.max() < 2.1
    np.testing.assert_allclose(np.log(aspect).mean(), 0, atol=0.05)


def test_a_rectangle_that_never_fits_is_not_erased():
    batch = bright(50, 4, 64)
    kept = erasing.random_erasing(
        batch, batch_rng(50), probability=1.0, area=(0.5, 0.6), aspect=(0.9, 1.1), fill="constant"
    )
    np.testing.assert_array_equal(kept, batch)


def test_the_mean_is_each_image_s_own():
    batch = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (0, 100, 255)])
    batch[:, ::2, :, 0] = 50
    erased = erasing.random_erasing(batch, batch_rng(3), probability=1.0, fill="mean").numpy()
    np.testing.assert_array_equal(erased[..., 1:], batch[..., 1:])
    for image, before, mean in zip(erased, batch, (25, 75, 152), strict=True):
        changed = image[..., 0] != before[..., 0]
        assert changed.any()
        assert set(image[..., 0][changed]) == {mean}


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_has_every_level_and_differs_per_pixel_and_step(channels):
    flat = np.zeros((2, 64, 64, channels), np.uint8)

    def noise(step):
        return erasing.random_erasing(
            flat, batch_rng(2, step), probability=1.0, area=(0.99, 1.0), aspect=(1.0, 1.01)
        ).numpy()

    seen = noise(0)
    np.testing.assert_allclose(seen.mean(), 127.5, atol=5)
    assert seen.max() == 255 and len(np.unique(seen)) == 256
    assert not np.array_equal(seen, noise(1))


@pytest.mark.parametrize("fill", erasing.FILLS)
def test_erasing_is_pure_and_elastic(fill):
    assert_augments(lambda i, d: erasing.random_erasing(i, d, fill=fill), images(16))
    assert_augments(lambda i, d: erasing.cutout(i, d, 5), images(16))
