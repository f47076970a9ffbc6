"""--size, --short_side, --max_side: the sizes, the pixels, and that nothing is squashed."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.images import resize
from beam_pipelines.images.resize import Resize
from tests.conftest import ROOT

length = st.one_of(st.integers(1, 60), st.sampled_from([1, 2, 997, 3000]))
target_length = st.integers(1, 60)


def apply(config: Resize, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(resize.apply(config, Image.fromarray(pixels)))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@given(length, length, target_length, target_length, st.booleans(), st.integers(0, 255))
@settings(max_examples=80)
def test_size_covers_any_shape_and_a_flat_image_stays_flat(
    rows, columns, target_rows, target_columns, grey, level
):
    shape = (rows, columns) if grey else (rows, columns, 3)
    resized = apply(Resize(size=(target_rows, target_columns)), np.full(shape, level, np.uint8))
    assert resized.shape == (target_rows, target_columns, *shape[2:])
    assert (resized == level).all()  # an edge that was not covered would be black


@given(length, length, target_length)
@settings(max_examples=60)
def test_both_sides_are_scaled_alike_to_half_a_pixel(rows, columns, side):
    for config, before in (
        (Resize(short_side=side), min(rows, columns)),
        (Resize(max_side=side), max(rows, columns, side)),
    ):
        size = resize.target_size(config, columns, rows)
        for length, old in zip(size, (columns, rows), strict=True):
            assert abs(length - old * side / before) <= 0.5 or length == 1
            if config.max_side and before > side:
                assert length <= side
        if config.short_side:
            assert min(size) == side
        elif max(rows, columns) > side:
            assert max(size) == side
        assert resize.apply(config, Image.new("L", (columns, rows))).size == size


@given(st.integers(20, 200), st.integers(20, 200), st.integers(20, 120), st.integers(20, 120))
@settings(max_examples=80)
def test_the_centre_is_kept_and_nothing_is_distorted(rows, columns, target_rows, target_columns):
    """Levels that say where a pixel came from must rise by the same step along both sides."""
    scale = max(target_rows / rows, target_columns / columns)
    for axis, length, target in ((0, rows, target_rows), (1, columns, target_columns)):
        places = np.linspace(0, 255, length)
        pixels = np.empty((rows, columns), np.uint8)
        pixels[:] = np.round(places[:, None] if axis == 0 else places[None])
        resized = apply(Resize(size=(target_rows, target_columns)), pixels)
        line = resized.mean(axis=1 - axis)
        # Where the centre of each new pixel lies in the old image, if the crop is centred.
        came_from = length / 2 + (np.arange(target) + 0.5 - target / 2) / scale - 0.5
        expected = np.clip(came_from, 0, length - 1) * 255 / (length - 1)
        inner = slice(2, -2)  # cubic interpolation knows less at the rim
        pixel = max(1, 1 / scale) * 255 / (length - 1)
        assert np.abs(line - expected)[inner].max() <= pixel + 1


@pytest.mark.parametrize("size", [(60, 60), (30, 90), (90, 30), (200, 200), (37, 53)])
def test_a_circle_stays_a_circle(size):
    rows, columns = np.mgrid[:120, :160]
    circle = ((rows - 59.5) ** 2 + (columns - 79.5) ** 2 < 25**2) * np.uint8(255)
    for config in (Resize(size=size), Resize(short_side=size[0]), Resize(max_side=size[0])):
        resized = apply(config, circle) > 127
        high, wide = (int(resized.any(axis=axis).sum()) for axis in (1, 0))
        scale = max(resized.shape[0] / 120, resized.shape[1] / 160)
        for found, length in zip((high, wide), resized.shape, strict=True):
            assert abs(found - min(50 * scale, length)) <= 2
        # Its middle is the image's.
        seen = np.argwhere(resized)
        middle = (np.array(resized.shape) - 1) / 2
        assert np.abs(seen.mean(axis=0) - middle).max() <= 1


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_shrinking_by_a_whole_number_averages_each_area(factor):
    pixels = noise(64, 96, 3)
    areas = pixels.reshape(64 // factor, factor, 96 // factor, factor, 3).mean(axis=(1, 3))
    resized = apply(Resize(size=(64 // factor, 96 // factor)), pixels)
    assert np.abs(resized - areas).max() <= 1
    checkers = (np.indices((64, 96)).sum(axis=0) % 2 * 200).astype(np.uint8)
    assert (apply(Resize(max_side=96 // factor), checkers) == 100).all()


@given(st.integers(3, 40), st.integers(3, 40), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=60)
def test_shrinking_keeps_the_mean_when_nothing_is_cropped(rows, columns, short, seed):
    short = min(short, rows, columns)
    # Multiples of the target, so that the aspect ratio is met exactly.
    pixels = np.random.default_rng(seed).integers(
        0, 256, (short * rows, short * columns), dtype=np.uint8
    )
    resized = apply(Resize(size=(rows, columns)), pixels)
    assert abs(resized.mean() - pixels.mean()) <= 1


def test_growing_is_cubic_not_nearest_or_linear():
    edge = np.repeat(np.array([[60, 60, 60, 190, 190, 190]], np.uint8), 6, axis=0)
    grown = apply(Resize(size=(24, 24)), edge).astype(int)
    assert grown.min() < 60 and grown.max() > 190  # only a cubic one overshoots
    assert len(np.unique(grown)) > 4
    ramp = np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[None], 12, axis=0)
    steps = np.diff(apply(Resize(short_side=48), ramp)[20].astype(int))[8:-8]
    assert set(steps.tolist()) <= {4, 5, 6}


def test_a_picture_of_the_right_size_is_left_alone():
    image = Image.fromarray(noise(30, 40, 3))
    for config in (
        Resize(),
        Resize(size=(30, 40)),
        Resize(short_side=30),
        Resize(max_side=40),
        Resize(max_side=41),
        Resize(max_side=10_000),
    ):
        assert resize.apply(config, image) is image


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (3, 3000)])
def test_a_strip_never_loses_its_last_row(shape):
    assert apply(Resize(max_side=10), noise(*shape)).shape == tuple(
        max(1, round(10 * length / max(shape))) for length in shape
    )
    assert apply(Resize(size=(7, 9)), noise(*shape)).shape == (7, 9)


@pytest.mark.parametrize(
    ("text", "size"), [("224", (224, 224)), ("224,320", (224, 320)), ("10x20", (10, 20))]
)
def test_a_size_is_a_side_or_rows_and_columns(text, size):
    assert resize.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-3", "10,", ",10", "10,0", "10,20,30", "a", "1e3", "²"])
def test_no_other_size_is_understood(text):
    with pytest.raises(ValueError, match="expected a side in pixels"):
        resize.parse_size(text)


PEAK = """
import resource, sys
from PIL import Image
from beam_pipelines.images import hashing, resize
pixels = Image.new("RGB", (int(sys.argv[1]), int(sys.argv[2])), "red")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert resize.apply(resize.Resize(size=(224, 224)), pixels).size == (224, 224)
assert max(resize.apply(resize.Resize(max_side=224), pixels).size) == 224
hashing.perceptual_hash(pixels)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("shape", [(1, 30_000), (30_000, 1), (3, 65_000), (400_000, 2)])
def test_memory_of_a_strip_is_bounded_by_itself_and_the_target(shape):
    """Scaled before it is cut, a strip of 1 x 30,000 would be 224 x 6,720,000 on its way."""
    finished = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, shape)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(finished.stdout) < 64 * 1024  # KiB
