"""What every kind of image file becomes, and that damaged ones are told apart."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.images import decode, hashing

RNG = np.random.default_rng(0)
# Smooth, so that a good JPEG of it is close.
RGB = np.stack(
    [np.add.outer(np.arange(6) * a, np.arange(9) * b) for a, b in ((9, 5), (3, 20), (30, 2))], -1
).astype(np.uint8)
NOISE = RNG.integers(0, 256, (60, 90, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
_OPAQUE = GREY[..., None] / 255
ON_WHITE = np.round(RGB * _OPAQUE + 255 * (1 - _OPAQUE))


def image_bytes(image: Image.Image, kind: str, **options) -> bytes:
    stored = io.BytesIO()
    image.save(stored, kind, **options)
    return stored.getvalue()


def encode(data: bytes, image: decode.DecodedImage, encoding="keep", channels=3) -> bytes:
    return decode.encode(data, image, image.pixels, encoding, channels, quality=95)


def rotated_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn right to view
    return image_bytes(Image.fromarray(RGB), "JPEG", quality=95, exif=exif)


def with_alpha(image: np.ndarray) -> Image.Image:
    shown = Image.fromarray(image)
    shown.putalpha(Image.fromarray(GREY))
    return shown


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (image_bytes(Image.fromarray(RGB), "PNG"), RGB),
        (image_bytes(Image.fromarray(RGB), "BMP"), RGB),
        (image_bytes(Image.fromarray(RGB), "TIFF"), RGB),
        (image_bytes(Image.fromarray(RGB), "WEBP", lossless=True), RGB),
        (image_bytes(Image.fromarray(GREY), "PNG"), GREY),
        (image_bytes(Image.fromarray(GREY), "GIF"), None),
        (image_bytes(with_alpha(RGB), "PNG"), ON_WHITE),
        (image_bytes(with_alpha(GREY), "PNG"), None),
        (image_bytes(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"), GREY),
        (image_bytes(Image.fromarray(GREY > 127), "PNG"), np.where(GREY > 127, 255, 0)),
    ],
    ids=["png", "bmp", "tiff", "webp", "grey", "gif", "rgba", "grey-alpha", "16-bit", "1-bit"],
)
def test_pixels_are_eight_bit_grey_or_rgb(data, expected):
    decoded = decode.decode(data)
    assert decoded.pixels.mode in ("L", "RGB")
    assert decoded.pixels.size == (9, 6)
    if expected is not None:
        off = np.abs(np.asarray(decoded.pixels, int) - expected)
        assert off.max() <= (1 if expected is ON_WHITE else 0)


def test_exif_rotation_is_applied_and_not_left_to_the_reader():
    decoded = decode.decode(rotated_jpeg())
    assert decoded.pixels.size == (6, 9)
    stored = encode(rotated_jpeg(), decoded)
    again = decode.decode(stored)
    assert again.verbatim
    assert again.pixels.size == (6, 9)
    difference = np.asarray(again.pixels, int) - np.asarray(decoded.pixels, int)
    assert np.abs(difference).mean() < 6


def test_cmyk_becomes_rgb():
    solid = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    red, green, blue = np.asarray(decode.decode(image_bytes(solid, "JPEG")).pixels)[0, 0]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (image_bytes(Image.fromarray(RGB), "JPEG"), True),
        (image_bytes(Image.fromarray(GREY), "JPEG"), True),
        (image_bytes(Image.fromarray(RGB), "JPEG", progressive=True), True),
        (image_bytes(Image.fromarray(RGB), "PNG"), True),
        (image_bytes(Image.fromarray(GREY), "PNG"), True),
        (image_bytes(Image.fromarray(RGB).quantize(8), "PNG"), False),
        (image_bytes(with_alpha(RGB), "PNG"), False),
        (image_bytes(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"), False),
        (image_bytes(Image.fromarray(RGB), "PNG", transparency=(1, 2, 3)), False),
        (image_bytes(Image.fromarray(RGB).convert("CMYK"), "JPEG"), False),
        (image_bytes(Image.fromarray(RGB), "WEBP", lossless=True), False),
        (image_bytes(Image.fromarray(RGB), "BMP"), False),
        (rotated_jpeg(), False),
    ],
)
def test_files_that_tensorflow_reads_as_they_are_are_kept(data, kept):
    decoded = decode.decode(data)
    stored = encode(data, decoded)
    assert (stored == data) == kept
    channels = len(decoded.pixels.getbands())
    shown = tf.io.decode_image(stored, channels, expand_animations=False).numpy()
    expected = np.asarray(decoded.pixels).reshape(shown.shape)
    lossless = stored.startswith(b"\x89PNG")
    assert np.abs(shown.astype(int) - expected).mean() <= (0 if lossless else 6)


@pytest.mark.parametrize("encoding", ["png", "raw", "float"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_encodings_hold_the_pixels(encoding, channels):
    data = image_bytes(Image.fromarray(GREY), "PNG")
    stored = encode(data, decode.decode(data), encoding, channels)
    if encoding == "png":
        pixels = tf.io.decode_png(stored, channels).numpy()
    elif encoding == "raw":
        pixels = np.frombuffer(stored, np.uint8)
    else:
        pixels = np.round(np.frombuffer(stored, "<f4") * 255)
    expected = np.repeat(GREY[..., None], channels, axis=2)
    np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"no image at all", "not_an_image"),
        (image_bytes(Image.fromarray(RGB), "EPS"), "not_an_image"),
        (image_bytes(Image.fromarray(NOISE), "JPEG")[:2000], "truncated"),
        (image_bytes(Image.fromarray(NOISE), "JPEG")[:100], "truncated"),  # within the header
        (image_bytes(Image.fromarray(NOISE), "PNG")[:2000], "truncated"),
    ],
)
def test_damaged_files_are_told_apart(data, reason):
    with pytest.raises(decode.BadImageError) as error:
        decode.decode(data)
    assert error.value.reason == reason


def test_a_decompression_bomb_is_set_aside_before_it_is_decoded():
    bomb = image_bytes(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(bomb) < 1_000_000
    for data in (bomb, bomb[:2000]):  # cut short, it could not be decoded anyway
        with pytest.raises(decode.BadImageError) as error:
            decode.decode(data)
        assert error.value.reason == "too_large"
    assert decode.decode(image_bytes(Image.fromarray(RGB), "PNG"), max_pixels=54)
    with pytest.raises(decode.BadImageError, match="9 x 6 pixels"):
        decode.decode(image_bytes(Image.fromarray(RGB), "PNG"), max_pixels=53)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken_on_request(kind):
    frames = [Image.fromarray(pixels) for pixels in (RGB, 255 - RGB, RGB // 2)]
    data = image_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(decode.BadImageError, match="3 frames") as error:
        decode.decode(data)
    assert error.value.reason == "animated"
    first = decode.decode(data, first_frame=True)
    assert np.abs(np.asarray(first.pixels.convert("RGB"), int) - RGB).mean() < 12
    assert not first.verbatim
    assert encode(data, first) != data


def test_what_is_transparent_is_laid_on_white():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = 255, 0, 128
    shown = np.asarray(decode.decode(image_bytes(Image.fromarray(pixels), "PNG")).pixels)
    np.testing.assert_allclose(shown[0], [[200, 0, 0], [255, 255, 255], [227, 127, 127]], atol=1)
    palette = Image.fromarray(RGB).quantize(8)
    see_through = palette.getpixel((0, 0))
    data = image_bytes(palette, "GIF", transparency=see_through)
    assert decode.decode(data).pixels.getpixel((0, 0)) == (255, 255, 255)


def test_ycck_and_inverted_cmyk_of_photo_programs_are_read_rightly():
    # Pillow writes CMYK as those programs do: inverted, with Adobe's marker.
    data = bytearray(image_bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert b"Adobe" in data
    red, green, blue = np.asarray(decode.decode(bytes(data)).pixels)[4, 4]
    assert red > 200 > 60 > max(green, blue)
    marker = data.index(b"Adobe") + 11
    data[marker] = 2  # the colour transform: YCCK, so the same numbers mean other colours
    ycck = np.asarray(decode.decode(bytes(data)).pixels)[4, 4]
    assert ycck.tolist() != [red, green, blue]


def test_a_colour_profile_is_noticed_and_not_stored():
    data = image_bytes(Image.fromarray(RGB), "WEBP", lossless=True, icc_profile=b"profile" * 30)
    decoded = decode.decode(data)
    assert decoded.has_profile
    assert b"profile" not in encode(data, decoded, "png")
    assert not decode.decode(image_bytes(Image.fromarray(RGB), "PNG")).has_profile


@pytest.mark.parametrize("size", [(3000, 5), (1, 3000), (90, 60), (7, 5)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_thumbnail_is_no_larger_than_asked_for_also_of_a_strip(size, kind):
    shown = decode.thumbnail(image_bytes(Image.new("RGB", size, "red"), kind), 96)
    assert Image.open(io.BytesIO(shown)).size == tuple(
        max(1, round(length * min(1, 96 / max(size)))) for length in size
    )


@given(st.data())
@settings(max_examples=150)
def test_no_damage_does_more_than_set_a_file_aside(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]))
    whole = bytearray(image_bytes(Image.fromarray(RGB), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode.decode(bytes(whole))
    except decode.BadImageError as error:
        assert error.reason and error.detail
    else:
        assert decoded.pixels.mode in ("L", "RGB")


@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 99))
@settings(max_examples=40)
def test_sums_are_exact_and_the_key_is_of_the_pixels(rows, columns, grey, seed):
    shape = (rows, columns) if grey else (rows, columns, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    as_png, as_bmp = (
        decode.decode(image_bytes(Image.fromarray(pixels), k)) for k in ("PNG", "BMP")
    )
    flat = pixels.reshape(rows * columns, -1).astype(int)
    sums, squares = decode.channel_sums(as_png.pixels)
    assert sums == flat.sum(axis=0).tolist()
    assert squares == (flat**2).sum(axis=0).tolist()
    assert hashing.content_hash(as_png.pixels) == hashing.content_hash(as_bmp.pixels)
    changed = pixels.copy()
    changed.flat[-1] ^= 1
    other = decode.decode(image_bytes(Image.fromarray(changed), "PNG"))
    assert hashing.content_hash(other.pixels) != hashing.content_hash(as_png.pixels)


def test_a_phones_heic_is_told_from_rubbish():
    with pytest.raises(decode.BadImageError, match="HEIC, which is not read; convert it to JPEG"):
        decode.decode(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100))
