"""Damaged files: every one is set aside for a known reason, or stored as what TensorFlow reads."""

import io
import json
import pathlib
import random
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.images import decode
from input.dataset import dataset_dir
from input.loading import decode as records
from tests.beam_pipelines.image_files import damage, image_bytes, photo
from tests.beam_pipelines.jobs import prepare
from tests.conftest import ROOT

# Real photos, if they are there; tests do the same work on drawn ones.
PHOTOS = ROOT.parent / "shared" / "data" / "photos-400.tar"

# Of damaged metadata, as `images` silences them outside of tests.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

REASONS = {"empty", "not_an_image", "too_large", "animated", "truncated", "undecodable"}
PICTURE = photo(0, size=(24, 17))
MANY = [photo(seed, size=(24, 17)) for seed in range(3)]
LEVELS = Image.fromarray(np.arange(24 * 17, dtype=np.uint16).reshape(17, 24) * 160)
WHOLE = {
    "JPEG": image_bytes(PICTURE, "JPEG"),
    "progressive JPEG": image_bytes(PICTURE, "JPEG", progressive=True),
    "CMYK JPEG": image_bytes(PICTURE.convert("CMYK"), "JPEG"),
    "grey JPEG": image_bytes(PICTURE.convert("L"), "JPEG", restart_marker_rows=1),
    "MPO": image_bytes(MANY[0], "MPO", save_all=True, append_images=[MANY[1].copy()]),
    "PNG": image_bytes(PICTURE, "PNG"),
    "16-bit PNG": image_bytes(LEVELS, "PNG"),
    "palette PNG": image_bytes(PICTURE.quantize(16), "PNG", transparency=3),
    "APNG": image_bytes(MANY[0], "PNG", save_all=True, append_images=MANY[1:]),
    "GIF": image_bytes(PICTURE, "GIF"),
    "animated GIF": image_bytes(MANY[0], "GIF", save_all=True, append_images=MANY[1:]),
    "WebP": image_bytes(PICTURE, "WEBP"),
    "lossless WebP": image_bytes(PICTURE, "WEBP", lossless=True),
    "BMP": image_bytes(PICTURE, "BMP"),
    "TIFF": image_bytes(PICTURE, "TIFF"),
    "compressed TIFF": image_bytes(PICTURE, "TIFF", compression="tiff_lzw"),
    "16-bit TIFF": image_bytes(LEVELS, "TIFF"),
    "several TIFFs": image_bytes(MANY[0], "TIFF", save_all=True, append_images=MANY[1:]),
    "ICO": image_bytes(PICTURE.resize((16, 16)), "ICO"),
    "TGA": image_bytes(PICTURE, "TGA"),
}


def check(data: bytes, first_frame: bool = False) -> decode.DecodedImage | None:
    """Decodes, holds what comes out against all that is promised of it, and returns it."""
    try:
        image = decode.decode(data, max_pixels=200_000, first_frame=first_frame)
    except decode.BadImageError as error:
        assert error.reason in REASONS
        assert error.detail
        assert "\n" not in error.detail
        return None
    assert image.pixels.mode in ("L", "RGB")
    columns, rows = image.pixels.size
    assert 0 < columns * rows <= 200_000
    channels = len(image.pixels.getbands())
    assert np.asarray(image.pixels).size == rows * columns * channels
    thumbnail = Image.open(io.BytesIO(decode.thumbnail(data, 8)))
    assert max(thumbnail.size) <= 8
    stored = decode.encode(data, image, image.pixels, "keep", channels, quality=95)
    shown = records.decode(tf.constant(stored), channels).numpy()
    assert shown.shape == (rows, columns, channels)
    if image.verbatim or not image.lossy:
        np.testing.assert_array_equal(shown.squeeze(), np.asarray(image.pixels).squeeze())
    return image


@pytest.mark.parametrize("kind", WHOLE)
def test_undamaged_files_are_decoded(kind):
    image = check(WHOLE[kind], first_frame=True)
    assert image and image.pixels.size == ((16, 16) if kind == "ICO" else (24, 17))


@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:20] for data in WHOLE.values())]))
@settings(max_examples=300)
def test_random_bytes_are_set_aside_also_behind_a_true_beginning(data, beginning):
    check(beginning + data, first_frame=True)


@given(
    st.sampled_from(sorted(WHOLE)),
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=1000)
def test_no_accident_of_a_file_does_more_than_set_it_aside(kind, seed, accidents, first_frame):
    chance, data = random.Random(seed), WHOLE[kind]
    for _ in range(accidents):
        data = damage(data, chance) or data
    check(data, first_frame)


@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(max_examples=500)
def test_no_changed_bytes_do_more_than_set_it_aside(kind, changes):
    data = bytearray(WHOLE[kind])
    for place, value in changes:
        data[place % len(data)] = value
    check(bytes(data))


def photos(count: int) -> list[bytes]:
    """Image files: the real ones, where they are, over and over."""
    if not PHOTOS.exists():
        kinds: tuple[tuple[str, dict], ...] = (
            ("JPEG", {"quality": 80}),
            ("JPEG", {"progressive": True}),
            ("PNG", {}),
            ("JPEG", {"subsampling": "4:4:4"}),
        )
        return [
            image_bytes(photo(number), kind, **options)
            for number in range(count)
            for kind, options in (kinds[number % len(kinds)],)
        ]
    found = []
    with tarfile.open(PHOTOS) as archive:
        for member in archive:
            if file := archive.extractfile(member):  # else a folder
                found.append(file.read())
    return [found[number % len(found)] for number in range(count)]


def test_of_500_damaged_photos_every_one_is_accounted_for_and_can_be_read(tmp_path):
    chance = random.Random(500)
    for number, data in enumerate(photos(500)):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number:03d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(data, chance))
    output = tmp_path / "data"
    card = prepare(tmp_path / "source", output, max_bad_fraction=1, duplicates="drop")
    quarantined = [
        json.loads(line) for line in (output / "quarantine.jsonl").read_text().splitlines()
    ]
    assert {row["reason"] for row in quarantined} <= REASONS
    shown = read_all(output, card)
    assert len(shown) + len(quarantined) + card.source["duplicates_dropped"] == 500
    assert not shown & {row["path"] for row in quarantined}
    assert min(len(shown), len(quarantined)) > 100
    assert (output / "report.html").stat().st_size > 10_000


def read_all(output: pathlib.Path, card) -> set[str]:
    """Reads every record as training does, and as TensorFlow does by itself; the files' names."""
    names = set()
    for split in card.splits:
        for record in tf.data.TFRecordDataset(dataset_dir.shard_paths(str(output), card, split)):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            shape = tuple(feature["shape"].int64_list.value)
            stored = feature["image"].bytes_list.value[0]
            assert tf.io.decode_image(stored, shape[2], expand_animations=False).shape == shape
            assert records.parse(record, card)[0].shape == shape
            names.add(feature["file_name"].bytes_list.value[0].decode())
    assert len(names) == sum(split.records for split in card.splits.values())
    return names
