"""Images come to size: scaled and cut, squashed, or as the seeds' crops in the seeds' order."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from input.preprocessing import resize
from tests.conftest import ROOT
from tests.input.augment.batches import images

side, wide = st.integers(1, 20), st.integers(1, 40)


@given(side, side, st.sampled_from([1, 3]), st.data())
@settings(max_examples=40)
def test_crops_are_the_corners_clockwise_then_the_centre_then_their_mirrors(
    rows, columns, channels, data
):
    height, width = data.draw(st.tuples(st.integers(1, rows), st.integers(1, columns)))
    image = images(1, rows, columns, channels)[0]
    below, right = rows - height, columns - width
    # As CropPreprocessor of the seeds has them: from column and row, to column and row.
    middle_row, middle_column = int(0.5 * below), int(0.5 * right)
    corners = [(0, 0), (0, right), (below, right), (below, 0), (middle_row, middle_column)]
    expected = np.stack([image[top:, left:][:height, :width] for top, left in corners])
    five = resize.crops(tf.constant(image), (height, width))
    assert five.dtype == tf.uint8
    np.testing.assert_array_equal(five, expected)
    ten = resize.crops(tf.constant(image), (height, width), mirrors=True)
    np.testing.assert_array_equal(ten, np.concatenate([expected, expected[:, :, ::-1]]))


def test_crops_in_a_dataset_have_a_static_shape():
    data = tf.data.Dataset.from_tensors(images(1, 256, 256)[0])
    ten = data.map(lambda image: resize.crops(image, (227, 227), mirrors=True))
    assert ten.element_spec == tf.TensorSpec([10, 227, 227, 3], tf.uint8)
    assert next(iter(ten)).shape == (10, 227, 227, 3)


def test_an_image_smaller_than_its_crops_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError):
        resize.crops(tf.constant(images(1, 8, 8)[0]), (9, 8))


@given(side, side, side, side, st.sampled_from([1, 3]), st.integers(0, 255))
@settings(max_examples=40)
def test_any_size_is_squashed_to_the_wanted_one_and_a_flat_image_stays_flat(
    rows, columns, wanted_rows, wanted_columns, channels, level
):
    image = tf.fill([rows, columns, channels], tf.constant(level, tf.uint8))
    squashed = resize.squash(image, (wanted_rows, wanted_columns))
    assert squashed.dtype == tf.uint8
    np.testing.assert_array_equal(squashed, np.full((wanted_rows, wanted_columns, channels), level))


def test_squashing_keeps_all_of_the_image_and_cropping_the_centre_does_not():
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, 20:] = 200  # the right third
    squashed = resize.squash(tf.constant(image), (9, 9)).numpy()[..., 0]
    assert squashed[:, :5].max() == 0 and squashed[:, 7:].min() > 195
    assert resize.cover(tf.constant(image), (9, 9)).numpy().max() < 60


def test_an_image_of_the_wanted_size_is_not_resampled():
    image = images(1, 9, 14)[0]
    np.testing.assert_array_equal(resize.squash(tf.constant(image), (9, 14)), image)


@given(wide, wide, wide, wide, st.sampled_from([1, 3]), st.integers(0, 255))
@settings(max_examples=60)
def test_any_size_becomes_the_wanted_one_and_a_flat_image_stays_flat(
    rows, columns, wanted_rows, wanted_columns, channels, level
):
    image = tf.fill([rows, columns, channels], tf.constant(level, tf.uint8))
    resized = resize.cover(image, (wanted_rows, wanted_columns))
    assert resized.dtype == tf.uint8
    assert resized.shape == (wanted_rows, wanted_columns, channels)
    np.testing.assert_array_equal(resized, np.full(resized.shape, level))


@given(wide, wide, st.integers(0, 9))
@settings(max_examples=20)
def test_an_image_of_the_wanted_size_is_untouched(rows, columns, seed):
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize.cover(tf.constant(image), (rows, columns)), image)


def test_the_centre_is_cut_out_and_the_aspect_kept():
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, 10:20] = 200  # a square in the middle third
    for size in (10, 5, 20):
        resized = resize.cover(tf.constant(image), (size, size)).numpy()
        assert resized.mean() > 180, size
    twice = resize.cover(tf.constant(image), (10, 20)).numpy()[..., 0]
    assert twice[:, 5:15].min() == 200
    assert twice[:, :5].max() == twice[:, 15:].max() == 0


def test_shrinking_averages_and_does_not_pick():
    image = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (16, 16))[..., None]
    resized = resize.cover(tf.constant(image), (8, 8)).numpy()
    assert np.abs(resized.astype(int) - 127).max() < 30


def plainly(image: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """The whole image scaled by one call of TensorFlow, then cut."""
    source = np.array(image.shape[:2])
    scale = (size / source).max()
    scaled = size if how == "squash" else np.maximum(size, np.round(scale * source).astype(int))
    if (scaled < source).any():
        pixels = tf.image.resize(image, scaled, "bilinear", antialias=True).numpy()
    else:
        pixels = tf.image.resize(image, scaled, "bicubic").numpy()
    top, left = (np.array(scaled) - size) // 2
    pixels = pixels[top : top + size[0], left : left + size[1]]
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


EXTREME = [
    ("cover", 1, 4_000),  # grows
    ("cover", 3_001, 2),
    ("cover", 7, 30_011),
    ("cover", 31, 90_000),  # hardly grows
    ("cover", 33, 90_007),  # shrinks
    ("cover", 50_000, 97),
    ("squash", 1, 40_000),
    ("squash", 31, 40_007),
    ("squash", 40_000, 3),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("how", "rows", "columns"), EXTREME)
def test_a_very_long_image_comes_to_size_as_if_it_were_scaled_whole(how, rows, columns, channels):
    size = (32, 48)
    image = images(1, rows, columns, channels)[0]
    found = getattr(resize, how)(tf.constant(image), size).numpy().astype(int)
    difference = np.abs(found - plainly(image, size, how))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05


@given(wide, wide, side, side, st.sampled_from([1, 3]), st.sampled_from(["cover", "squash"]))
@settings(max_examples=40)
def test_an_ordinary_image_is_scaled_whole_to_the_bit(rows, columns, height, width, channels, how):
    image = images(1, rows, columns, channels)[0]
    found = getattr(resize, how)(tf.constant(image), (height, width))
    np.testing.assert_array_equal(found, plainly(image, (height, width), how))


def test_memory_is_bounded_by_the_pixels_of_an_image_whatever_its_shape():
    """A process's peak grows by what the image takes and a few times what is wanted of it."""
    script = """
import json, resource, sys
import tensorflow as tf
from input.augment import resized_crops
from input.preprocessing import resize

@tf.function(reduce_retracing=True)
def see(image, way):
    def crop():
        window = resized_crops.windows(tf.fill([10, 4], 0.5), tf.shape(image)[:2])
        return resized_crops.resize(resized_crops.cut(image, window), (224, 224))
    ways = [lambda: resize.cover(image, (224, 224)), lambda: resize.squash(image, (224, 224)), crop]
    return tf.reduce_sum(tf.cast(tf.switch_case(way, ways), tf.int32))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

for way in 2 * (0, 1, 2):
    for shape in ((100, 90, 3), (300, 400, 3)):
        see(tf.zeros(shape, tf.uint8), tf.constant(way))
space = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 3 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (space, space))  # what would take all memory fails
grown = []
for rows, columns in json.loads(sys.argv[1]):
    image = tf.zeros([rows, columns, 3], tf.uint8)
    for way in range(3):
        before = peak()
        see(image, tf.constant(way))
        grown.append([rows, columns, way, peak() - before])
print(json.dumps(grown))
"""
    shapes = [(1, 30_000), (30_000, 1), (2, 400_000), (400_000, 2), (225, 40_000), (1, 1_000_000)]
    finished = subprocess.run(
        [sys.executable, "-c", script, json.dumps(shapes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    for rows, columns, way, grown in json.loads(finished.stdout):
        # In float32 twice, and what 16 times the target takes.
        bound = 2 * 4 * 3 * (rows * columns + 16 * 224 * 224)
        assert grown < bound, (rows, columns, way, grown)
