"""Files that are broken where Pillow does not look, held against TensorFlow, which looks."""

import random
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from beam_pipelines.images import decode, integrity
from input.loading import decode as records
from tests.beam_pipelines.image_files import damage, image_bytes, photo

PHOTO = photo(seed=0, size=(120, 90))
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def tensorflow_reads(data: bytes) -> bool:
    try:
        records.decode(tf.constant(data), 3)
    except tf.errors.InvalidArgumentError:
        return False
    return True


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], len(SIGNATURE)
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        found.append((kind, png[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def assembled(parts: list[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(
        struct.pack(">I4s", len(content), kind)
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


PNG = image_bytes(PHOTO, "PNG")
HEADER, *REST = chunks(PNG)
SPOILT = (HEADER[0], HEADER[1][:10] + b"\x01" + HEADER[1][11:])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": "4:2:0"},
        {"progressive": True},
        {"optimize": True, "quality": 30},
        {"restart_marker_rows": 1},
        {"comment": b"\xff\xd9 within", "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"},
    ],
)
def test_a_sound_jpeg_is_whole_and_cut_short_anywhere_it_is_not(options):
    for image in (PHOTO, PHOTO.convert("L")):
        data = image_bytes(image, "JPEG", **options)
        assert integrity.is_complete_jpeg(data)
        assert integrity.is_complete_jpeg(data + b"\xff\xc0 trailer of a phone")
        for length in range(0, len(data), 7):
            assert not integrity.is_complete_jpeg(data[:length])
        assert not integrity.is_complete_jpeg(data[:-1])


def test_a_sound_png_is_whole_and_with_any_byte_changed_it_is_not():
    data = image_bytes(photo(seed=1, size=(12, 9)), "PNG")
    assert integrity.is_complete_png(data)
    assert integrity.is_complete_png(data + b"trailer")
    for place in range(len(SIGNATURE), len(data)):
        assert not integrity.is_complete_png(data[:place])
        spoilt = bytearray(data)
        spoilt[place] ^= 16
        assert not integrity.is_complete_png(bytes(spoilt))


@pytest.mark.parametrize(
    "data",
    [
        PNG[:-12],
        PNG[:-1],
        assembled([HEADER, HEADER, *REST]),
        assembled([HEADER, (b"ABCD", b"of no standard"), *REST]),
        assembled([SPOILT, *REST]),
    ],
    ids=["no end", "no checksum", "two headers", "unknown chunk", "unknown compression"],
)
def test_a_png_that_tensorflow_refuses_is_written_anew(data):
    decoded = decode.decode(data)
    np.testing.assert_array_equal(decoded.pixels, PHOTO)
    assert not tensorflow_reads(data)
    assert not decoded.verbatim
    stored = decode.encode(data, decoded, decoded.pixels, "keep", 3, quality=95)
    np.testing.assert_array_equal(records.decode(tf.constant(stored), 3), PHOTO)


def test_a_jpeg_with_a_segment_beyond_its_end_is_written_anew():
    data = bytearray(image_bytes(PHOTO, "JPEG"))
    data[-40:-36] = b"\xff\xfe\xf0\x00"  # a comment of 61,440 bytes
    decoded = decode.decode(bytes(data))
    assert not tensorflow_reads(bytes(data))
    assert not decoded.verbatim
    assert tensorflow_reads(
        decode.encode(bytes(data), decoded, decoded.pixels, "keep", 3, quality=95)
    )


def test_a_progressive_jpeg_that_lacks_scans_is_written_anew():
    data = image_bytes(PHOTO, "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        lacking = data[:place] + b"\xff\xd9"
        assert decode.decode(lacking).pixels.size == PHOTO.size
        assert not decode.decode(lacking).verbatim
    assert decode.decode(data).verbatim


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_of_a_damaged_file_tensorflow_reads_what_was_counted(kind):
    chance, read, kept = random.Random(0), 0, 0
    for number in range(400):
        image = photo(number % 20, size=(chance.randint(8, 90), chance.randint(8, 90)))
        options = {"progressive": chance.random() < 0.3, "optimize": chance.random() < 0.3}
        data = damage(image_bytes(image, kind, **(options if kind == "JPEG" else {})), chance)
        try:
            decoded = decode.decode(data)
        except decode.BadImageError:
            continue
        stored = decode.encode(data, decoded, decoded.pixels, "keep", 3, quality=95)
        shown = records.decode(tf.constant(stored), 3).numpy()
        assert shown.shape == (*decoded.pixels.size[::-1], 3)
        read += 1
        if decoded.verbatim or not decoded.lossy:
            np.testing.assert_array_equal(shown, np.asarray(decoded.pixels.convert("RGB")))
            kept += 1
    assert read >= kept > 15


def test_checks_of_structure_survive_any_bytes():
    chance = random.Random(1)
    for kind, check in (("JPEG", integrity.is_complete_jpeg), ("PNG", integrity.is_complete_png)):
        whole = image_bytes(photo(seed=2, size=(16, 16)), kind)
        for _ in range(2000):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            assert check(bytes(data)) in (True, False)
            assert check(bytes(data)[: chance.randint(30, len(data))]) in (True, False)
