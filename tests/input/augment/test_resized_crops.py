"""Resized crops: torchvision's choice, a decode of that part alone, and a resize that holds up."""

import io
import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from input.augment import resized_crops
from input.loading import decode
from tests.input.augment.batches import batch_rng

AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def drawn(count, step=0, tries=resized_crops.TRIES):
    return batch_rng(count, step).uniform("resized crop", tries, 4)


def photo(rows, columns, channels=3, seed=0) -> np.ndarray:
    """Soft shapes with some grain, as photographs have."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, columns, channels))
    shapes = scipy.ndimage.gaussian_filter(noise, (rows / 20, columns / 20, 0))
    edges = scipy.ndimage.gaussian_filter(noise, (1.5, 1.5, 0))
    pixels = 128 + 60 * shapes / shapes.std() + 12 * edges / edges.std()
    return np.clip(pixels, 0, 255).astype(np.uint8)


def encode(image, kind="JPEG", **options) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stored, kind, **options)
    return stored.getvalue()


def torchvision(rng, height, width, area, ratio):
    """`RandomResizedCrop.get_params`, read in its documentation, with NumPy's random numbers."""
    for _ in range(10):
        pixels = height * width * rng.uniform(*area)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        columns, rows = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            top = rng.integers(0, height - rows + 1)
            return top, rng.integers(0, width - columns + 1), rows, columns
    if width / height < min(ratio):
        rows, columns = round(width / min(ratio)), width
    elif width / height > max(ratio):
        rows, columns = height, round(height * max(ratio))
    else:
        rows, columns = height, width
    return (height - rows) // 2, (width - columns) // 2, rows, columns


side = st.one_of(st.integers(1, 40), st.integers(1, 20_000))
number = st.floats(0, 1, exclude_max=True, width=32)


@given(
    side,
    side,
    st.lists(st.tuples(number, number, number, number), min_size=1, max_size=12),
    st.sampled_from([AREA, (0.5, 0.9), (0.25, 0.25)]),
    st.sampled_from([RATIO, (1.0, 1.0), (0.3, 1 / 0.3)]),
)
@example(1, 1, [(0.0, 0.0, 0.0, 0.0)], AREA, RATIO)
@example(20_000, 1, [(1 - 2**-24,) * 4], AREA, RATIO)
@settings(max_examples=150)
def test_a_window_lies_in_the_image_and_is_as_asked_or_the_fallback(
    height, width, numbers, area, ratio
):
    window = resized_crops.windows(tf.constant(numbers), [height, width], area, ratio)
    assert window.dtype == tf.int32
    top, left, rows, columns = window.numpy().tolist()
    assert rows >= 1 and columns >= 1 and top >= 0 and left >= 0
    assert top + rows <= height and left + columns <= width
    wide, high = min(width, round(height * ratio[1])), min(height, round(width / ratio[0]))
    if (rows, columns) != (high, wide):  # the fallback
        # Sides are rounded to pixels: each may be half of one off.
        pixels = height * width
        assert (rows - 0.5) * (columns - 0.5) <= pixels * area[1] * (1 + 1e-6)
        assert (rows + 0.5) * (columns + 0.5) >= pixels * area[0] * (1 - 1e-6)
        assert (columns - 0.5) / (rows + 0.5) <= ratio[1] * (1 + 1e-6)
        assert (columns + 0.5) / (rows - 0.5) >= ratio[0] * (1 - 1e-6)


@pytest.mark.parametrize("shape", [(375, 500), (32, 32), (700, 200), (100, 700)])
def test_windows_are_distributed_as_torchvision_s(shape):
    count = 10_000
    rng = np.random.default_rng(0)
    height, width = shape
    drawn_windows = [torchvision(rng, height, width, AREA, RATIO) for _ in range(count)]
    expected = np.array(drawn_windows, np.float64)
    shapes = np.broadcast_to(np.array(shape, np.int64), [count, 2])
    found = resized_crops.windows(drawn(count), shapes).numpy().astype(float)
    for windows in (expected, found):  # where it begins, as a share of the room there is
        windows[:, 0] /= np.maximum(shape[0] - windows[:, 2], 1)
        windows[:, 1] /= np.maximum(shape[1] - windows[:, 3], 1)
    shares = np.arange(0.05, 1, 0.05)
    for column, (unit, name) in enumerate([(1, "top"), (1, "left"), (shape[0], 0), (shape[1], 0)]):
        quantiles = [np.quantile(windows[:, column], shares) for windows in (found, expected)]
        np.testing.assert_allclose(quantiles[0], quantiles[1], atol=0.05 * unit, err_msg=str(name))
        np.testing.assert_allclose(found[:, column].mean(), expected[:, column].mean(), rtol=0.05)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((100, 700), (0, 283, 100, 133)),  # too wide: all rows, 4/3 as many columns
        ((700, 100), (283, 0, 133, 100)),
        ((100, 110), (0, 0, 100, 110)),
    ],
)
def test_where_no_try_fits_the_largest_allowed_part_of_the_centre_is_taken(shape, expected):
    whole = tf.constant([[1 - 2**-24, 0.0, 0.5, 0.5], [1 - 2**-24, 1 - 2**-24, 0.5, 0.5]])
    window = resized_crops.windows(whole, shape)
    np.testing.assert_array_equal(window, expected)


def test_the_first_try_that_fits_is_taken():
    fitting, later = [0.3, 0.5, 0.2, 0.8], [0.6, 0.4, 0.1, 0.1]
    too_wide = [1 - 2**-24, 1 - 2**-24, 0.5, 0.5]
    numbers = tf.constant([too_wide, fitting, later])
    alone = resized_crops.windows(tf.constant([fitting]), [60, 60])
    np.testing.assert_array_equal(resized_crops.windows(numbers, [60, 60]), alone)


def test_windows_of_a_batch_are_those_of_its_images():
    shapes = tf.constant([[375, 500], [50, 900], [8, 8]], tf.int64)
    numbers = drawn(3)
    batch = resized_crops.windows(numbers, shapes)
    single = [resized_crops.windows(*one) for one in zip(numbers, shapes, strict=True)]
    np.testing.assert_array_equal(batch, single)


@pytest.mark.parametrize(
    ("channels", "kind", "options"),
    [
        (3, "JPEG", {"subsampling": "4:4:4"}),
        (3, "JPEG", {"subsampling": "4:4:4", "progressive": True}),
        (1, "JPEG", {}),
        (3, "PNG", {}),
        (1, "PNG", {}),
        (3, "BMP", {}),
        (3, "GIF", {}),
    ],
)
def test_decoding_a_part_gives_the_pixels_of_the_whole(channels, kind, options):
    stored = encode(photo(75, 101, channels), kind, **options)
    whole = decode.decode(stored, channels).numpy()
    windows = resized_crops.windows(drawn(25), np.broadcast_to([75, 101], [25, 2])).numpy()
    for top, left, rows, columns in [*windows, (0, 0, 75, 101), (74, 100, 1, 1)]:
        part = resized_crops.decode(stored, [top, left, rows, columns], channels)
        np.testing.assert_array_equal(part, whole[top:, left:][:rows, :columns])


@pytest.mark.parametrize("subsampling", ["4:2:2", "4:2:0"])
def test_with_halved_colour_only_the_first_and_last_column_may_differ(subsampling):
    stored = encode(photo(75, 101), subsampling=subsampling, quality=90)
    whole = decode.decode(stored, 3).numpy()
    differ = 0
    for left in range(0, 40):
        for columns in (24, 31, 61):
            part = resized_crops.decode(stored, [5, left, 60, columns], 3).numpy()
            off = np.abs(part.astype(int) - whole[5:65, left : left + columns])
            assert off[:, 1:-1].max() == 0
            assert off[:, 0].max() == 0 or left % 16 == 0
            assert off[:, -1].max() == 0 or (left + columns - 1) % 2 == 1
            assert off.max() < 40
            differ += off.max() > 0
    assert differ  # else the docstring warns of nothing


@pytest.mark.parametrize(
    ("window", "factor"),
    [
        ((3, 5, 63, 63), 1),
        ((3, 5, 64, 64), 2),
        ((1, 7, 127, 129), 2),
        ((1, 7, 300, 56), 4),
        ((9, 9, 128, 150), 4),
        ((0, 0, 301, 403), 8),
        ((45, 147, 256, 256), 8),
    ],
)
def test_a_large_part_of_a_jpeg_is_shrunk_by_the_decoder(window, factor):
    image = photo(301, 403)
    stored = encode(image, quality=95)
    part = resized_crops.decode(stored, window, 3, size=(32, 32)).numpy()
    top, left, rows, columns = (number // factor for number in window)
    assert part.shape == (rows, columns, 3)
    blocks = image[top * factor :, left * factor :][: rows * factor, : columns * factor]
    averaged = blocks.reshape(rows, factor, columns, factor, 3).mean((1, 3))
    assert np.abs(part - averaged).mean() < 3


def test_a_thin_part_keeps_a_pixel_of_its_thickness():
    stored = encode(photo(301, 403))
    for thickness, shape in ((9, (1, 50)), (7, (1, 100)), (3, (1, 200)), (1, (1, 400))):
        part = resized_crops.decode(stored, [7, 1, thickness, 400], 3, size=(1, 2))
        assert part.shape == (*shape, 3)


def test_a_large_part_of_another_format_is_not_shrunk_by_the_decoder():
    image = photo(80, 90)
    part = resized_crops.decode(encode(image, "PNG"), [1, 2, 64, 80], 3, size=(8, 8))
    np.testing.assert_array_equal(part, image[1:65, 2:82])


def test_bytes_that_are_no_image_are_refused():
    for stored in (b"", b"no image", encode(photo(64, 64))[:200]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            resized_crops.decode(stored, [0, 0, 64, 64], 3)


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from([1, 3]),
    st.integers(0, 255),
)
@settings(max_examples=60)
def test_any_part_comes_to_size_and_a_flat_one_stays_flat(
    rows, columns, wanted_rows, wanted_columns, channels, level
):
    image = tf.fill([rows, columns, channels], tf.constant(level, tf.uint8))
    resized = resized_crops.resize(image, (wanted_rows, wanted_columns))
    assert resized.dtype == tf.uint8
    np.testing.assert_array_equal(resized, np.full((wanted_rows, wanted_columns, channels), level))


def test_a_part_of_the_wanted_size_keeps_its_pixels():
    image = photo(31, 33)
    np.testing.assert_array_equal(resized_crops.resize(tf.constant(image), (31, 33)), image)


@pytest.mark.parametrize("window", [(20, 30, 40, 48), (5, 6, 120, 130), (0, 0, 480, 640)])
def test_the_way_to_size_is_close_to_an_average_over_areas(window):
    """Growing, shrinking below 2, and far above it through the decoder; against Pillow's."""
    image, size = photo(480, 640), (64, 72)
    stored = encode(image, quality=95)
    part = resized_crops.decode(stored, window, 3, size)
    found = resized_crops.resize(part, size).numpy().astype(float)
    top, left, rows, columns = window
    whole = Image.fromarray(decode.decode(stored, 3).numpy())
    cut = whole.crop((left, top, left + columns, top + rows))
    expected = np.asarray(cut.resize(size[::-1], Image.Resampling.BILINEAR), float)
    assert np.abs(found - expected).mean() < 2.5
    assert abs((found - expected).mean()) < 0.3  # neither darker nor lighter


def test_shrinking_much_without_the_decoder_averages_and_does_not_pick():
    board = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (32, 32))[..., None]
    for side in (8, 16, 31):
        resized = resized_crops.resize(tf.constant(board), (side, side)).numpy()
        assert np.abs(resized[2:-2, 2:-2].astype(int) - 127).max() < 30, side


def test_the_pipeline_is_the_same_twice():
    stored, windows = encode(photo(200, 300)), resized_crops.windows(drawn(5), [[200, 300]] * 5)

    def run():
        data = tf.data.Dataset.from_tensor_slices(windows)
        data = data.map(lambda window: resized_crops.decode(stored, window, 3, (32, 32)))
        return np.stack([*data.map(lambda part: resized_crops.resize(part, (32, 32)))])

    first = run()
    assert first.shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(first, run())
