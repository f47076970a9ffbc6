"""Mixup and CutMix: partners within the lane, and shares that say what is in the image."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UsageError
from input.augment import mixing
from input.augment.rng import BatchRng

BOTH = pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])


def batch(count=24, rows=6, columns=9, channels=3, flat=False, seed=0):
    """Images and labels; flat ones have one level each, ten times their label."""
    labels = np.arange(count)
    if flat:
        levels = np.uint8(10 * labels)[:, None, None, None]
        images = np.broadcast_to(levels, (count, rows, columns, channels))
    else:
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (count, rows, columns, channels), dtype=np.uint8)
    return images, labels


def mixed(mix, images, labels, per_lane=6, alpha=1.0, first=0, count=None, step=3):
    count = len(images) if count is None else count
    rng = BatchRng(1, tf.constant(step, tf.int64), len(images), first, count)
    part = slice(first, first + count)
    results = mix(tf.constant(images[part]), tf.constant(labels[part]), rng, per_lane, alpha)
    return [result.numpy() for result in results]


@BOTH
@given(
    per_lane=st.integers(2, 5),
    lanes=st.sampled_from([1, 2, 4, 8]),
    data=st.data(),
    channels=st.sampled_from([1, 3]),
    step=st.integers(0, 2**40),
)
def test_pipelines_give_their_parts_of_the_whole(mix, per_lane, lanes, data, channels, step):
    images, labels = batch(per_lane * lanes, channels=channels)
    whole = mixed(mix, images, labels, per_lane, step=step)
    pipelines = data.draw(st.sampled_from([p for p in (1, 2, 4, 8) if lanes % p == 0]))
    count = len(images) // pipelines
    parts = [
        mixed(mix, images, labels, per_lane, first=p * count, count=count, step=step)
        for p in range(pipelines)
    ]
    for one, many in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(many))


@BOTH
def test_the_partner_is_the_next_of_the_lane(mix):
    images, labels = batch()
    _, own, others, _ = mixed(mix, images, labels)
    np.testing.assert_array_equal(own, labels)
    wanted = [lane + (place + 1) % 6 for lane in range(0, 24, 6) for place in range(6)]
    np.testing.assert_array_equal(others, wanted)


@BOTH
def test_shapes_and_types(mix):
    images, labels = batch()
    result, own, others, share = mixed(mix, images, labels)
    assert (result.shape, result.dtype) == (images.shape, np.uint8)
    assert own.dtype == others.dtype == np.int64
    assert (share.shape, share.dtype) == ((24,), np.float32)
    assert ((share >= 0) & (share <= 1)).all()
    assert len(set(share)) > 6


def test_mixup_is_the_weighted_mean_to_the_nearest_level():
    images, labels = batch()
    result, _, others, share = mixed(mixing.mixup, images, labels)
    part = share[:, None, None, None].astype(np.float64)
    exact = part * images + (1 - part) * images[others]
    assert np.abs(result - exact).max() <= 0.5 + 1e-4
    assert (result == images).all((1, 2, 3)).sum() < 3  # a share of almost 1 is rare


def test_cutmix_puts_a_rectangle_in_and_counts_its_pixels():
    images, labels = batch(flat=True)
    for step in range(20):
        result, _, others, share = mixed(mixing.cutmix, images, labels, step=step)
        foreign = result != images
        np.testing.assert_array_equal(
            result[foreign], np.uint8(10 * others).repeat(162)[foreign.ravel()]
        )
        np.testing.assert_allclose(share, 1 - foreign.mean((1, 2, 3)), atol=1e-7)
        for mask in foreign[..., 0]:
            np.testing.assert_array_equal(mask, np.outer(mask.any(1), mask.any(0)))
            for line in (mask.any(1), mask.any(0)):
                assert np.abs(np.diff(np.int8(np.pad(line, 1)))).sum() in (0, 2)  # in one piece


def test_rectangles_have_the_size_that_was_drawn_where_none_is_cut_off():
    count, size = 2000, 64
    images, labels = batch(count, size, size, 1, flat=True)
    rng = BatchRng(1, tf.constant(0, tf.int64), count, 0, count)
    drawn = rng.beta("cutmix/share", 1.0).numpy()
    share = mixed(mixing.cutmix, images, labels, count, step=0)[3]
    # Cutting off makes the rectangle smaller, and never larger.
    assert (share >= drawn - 1e-6).all()
    whole = share < drawn + 2 / size
    assert 0.1 < whole.mean() < 0.9
    assert share.mean() > 0.55


def test_rectangles_lie_anywhere():
    images, labels = batch(500, 40, 40, 1, flat=True)
    result = mixed(mixing.cutmix, images, labels, 500)[0][..., 0]
    foreign = result != images[..., 0]
    foreign = foreign[foreign.any((1, 2)) & (foreign.mean((1, 2)) < 0.2)]
    rows, columns = foreign.any(2).argmax(1), foreign.any(1).argmax(1)
    assert min(rows) == min(columns) == 0
    assert max(rows) > 30
    assert max(columns) > 30
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.4


def test_a_tiny_alpha_leaves_images_whole_or_swaps_them():
    images, labels = batch()
    result, _, others, share = mixed(mixing.mixup, images, labels, alpha=1e-4)
    kept = share > 0.5
    assert 0 < kept.sum() < 24
    np.testing.assert_array_equal(result[kept], images[kept])
    np.testing.assert_array_equal(result[~kept], images[others][~kept])


@BOTH
def test_another_step_gives_another_share(mix):
    images, labels = batch()
    shares = {mixed(mix, images, labels, step=step)[3].tobytes() for step in (1, 2, 2)}
    assert len(shares) == 2


@BOTH
def test_one_image_per_lane_is_refused(mix):
    images, labels = batch()
    with pytest.raises(UsageError) as error:
        mixed(mix, images, labels, per_lane=1)
    assert "`lanes`" in str(error.value)
