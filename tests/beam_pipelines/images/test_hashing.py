"""Hashes: the same for the same picture, independent where they decide, and whole numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from beam_pipelines.images import decode, hashing
from tests.beam_pipelines.image_files import image_bytes, photo

PHOTOS = [photo(seed, size=(160, 120)) for seed in range(24)]


def key_of(data: bytes) -> str:
    return hashing.content_hash(decode.decode(data).pixels)


def distance(a: Image.Image, b: Image.Image) -> int:
    return ((hashing.perceptual_hash(a) ^ hashing.perceptual_hash(b)) & (2**64 - 1)).bit_count()


@pytest.mark.parametrize("image", [PHOTOS[0], PHOTOS[0].convert("L")], ids=["colour", "grey"])
def test_the_same_pixels_have_one_key_in_any_file(image):
    files = [
        image_bytes(image, "PNG", compress_level=0),
        image_bytes(image, "PNG", compress_level=9),
        image_bytes(image, "PNG", dpi=(300, 300), icc_profile=b"profile" * 30),
        image_bytes(image, "BMP"),
        image_bytes(image, "TIFF", compression="tiff_lzw"),
        image_bytes(image, "PPM"),
    ]
    assert len(set(files)) == len(files)
    assert {key_of(data) for data in files} == {hashing.content_hash(image)}


def test_keys_differ_with_mode_size_and_any_pixel():
    flat = Image.new("L", (6, 4), 9)
    others = [
        Image.new("RGB", (6, 4), (9, 9, 9)),
        Image.new("L", (4, 6), 9),
        Image.new("L", (24, 1), 9),
        Image.new("L", (6, 5), 9),
        Image.new("RGB", (2, 4), (9, 9, 9)),  # as many bytes as the first
    ]
    for place in range(24):
        changed = flat.copy()
        changed.putpixel((place % 6, place // 6), 8)
        others.append(changed)
    keys = {hashing.content_hash(image) for image in [flat, *others]}
    assert len(keys) == 1 + len(others)


def test_ranks_are_uniform_and_independent_per_purpose_and_seed():
    keys = [f"{number:064x}" for number in range(8000)]
    ranks = {
        (seed, purpose): np.array([hashing.rank(key, seed, purpose) for key in keys])
        for seed in (0, 1)
        for purpose in ("split", "order")
    }
    buckets = {}
    for which, values in ranks.items():
        assert -(2**63) <= values.min() < -(2**60) < 2**60 < values.max() < 2**63
        assert len(set(values.tolist())) == len(keys)
        buckets[which] = (values >> 60) + 8
        observed = np.bincount(buckets[which], minlength=16)
        # 15 degrees of freedom: beyond 60 once in three million draws.
        assert ((observed - 500) ** 2 / 500).sum() < 60
        low = np.bincount(values & 15, minlength=16)
        assert ((low - 500) ** 2 / 500).sum() < 60
    first = next(iter(buckets))
    for which in list(buckets)[1:]:
        both = np.bincount(16 * buckets[first] + buckets[which], minlength=256)
        # 225 degrees of freedom, standard deviation 21.
        assert ((both - 31.25) ** 2 / 31.25).sum() < 225 + 6 * 30


def test_ranks_stay_what_they_were():
    """Other ranks would be other splits of every dataset there is."""
    found = [hashing.rank("ab" * 32, seed, "split") for seed in (0, 1)]
    assert found == [4837874388625651812, -8345952631447818683]


@pytest.mark.parametrize(
    ("change", "bits"),
    [
        (lambda image: decode.decode(image_bytes(image, "JPEG", quality=50)).pixels, 6),
        (lambda image: image.resize((320, 240), Image.Resampling.BICUBIC), 4),
        (lambda image: image.resize((80, 60), Image.Resampling.BOX), 6),
        (lambda image: image.point([min(255, level + 10) for level in range(256)] * 3), 6),
        (lambda image: ImageEnhance.Contrast(image).enhance(0.8), 6),
        (lambda image: image.convert("L"), 0),
    ],
    ids=["JPEG 50", "twice the size", "half the size", "brighter", "flatter", "grey"],
)
def test_a_picture_that_looks_the_same_has_nearly_the_same_hash(change, bits):
    found = [distance(image, change(image)) for image in PHOTOS]
    assert max(found) <= bits, sorted(found)


def test_unrelated_pictures_are_far_apart():
    found = [distance(a, b) for n, a in enumerate(PHOTOS) for b in PHOTOS[:n]]
    assert min(found) > 10
    assert 28 < np.mean(found) < 36


def exact_hash(pixels: Image.Image) -> int:
    """The same in Python's whole numbers, rows first and columns after."""
    grey = np.asarray(pixels.convert("L").resize((32, 32), Image.Resampling.BOX)).tolist()
    cosines = hashing._COSINES.astype(int).tolist()
    along = [
        [sum(c * v for c, v in zip(row, line, strict=True)) for row in cosines] for line in grey
    ]
    both = [sum(cosines[v][y] * along[y][u] for y in range(32)) for v in range(8) for u in range(8)]
    middle = sorted(both[1:])[31]
    value = int("".join("1" if frequency > middle else "0" for frequency in both), 2)
    return value - 2**64 if value >= 2**63 else value


@given(st.integers(1, 70), st.integers(1, 70), st.booleans(), st.integers(0, 999))
@settings(max_examples=40)
def test_the_hash_is_exact_in_whole_numbers_whatever_the_order_of_sums(rows, columns, grey, seed):
    shape = (rows, columns) if grey else (rows, columns, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(pixels)
    assert hashing.perceptual_hash(image) == exact_hash(image)


def test_the_hash_is_64_bits_half_of_them_set():
    for image in PHOTOS:
        value = hashing.perceptual_hash(image)
        assert -(2**63) <= value < 2**63
        assert 31 <= (value & (2**64 - 1)).bit_count() <= 33
