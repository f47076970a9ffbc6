"""How images are stored: which bytes are kept, and what is written anew."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from input.dataset import dataset_dir
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import images_in_order, prepare
from tests.conftest import write_images

FRAMES = [photo(seed, size=(24, 16)) for seed in range(3)]


def test_keep_writes_only_what_must_be_written(tmp_path):
    kinds = {
        "photo.jpg": image_bytes(FRAMES[0], "JPEG"),
        "grey.jpg": image_bytes(FRAMES[1].convert("L"), "JPEG"),
        "plain.png": image_bytes(FRAMES[2], "PNG"),
        "print.jpg": image_bytes(FRAMES[0].convert("CMYK"), "JPEG"),
        "photo.webp": image_bytes(FRAMES[1], "WEBP"),
        "photo.bmp": image_bytes(FRAMES[1], "BMP"),
        "palette.png": image_bytes(FRAMES[2].quantize(16), "PNG"),
    }
    for name, data in kinds.items():
        for label in "ab":
            path = tmp_path / "source" / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    card = prepare(tmp_path / "source", tmp_path / "data", duplicates="allow")
    kept = set()
    for split in card.splits:
        for record in tf.data.TFRecordDataset(
            dataset_dir.shard_paths(str(tmp_path / "data"), card, split)
        ):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            name = feature["file_name"].bytes_list.value[0].decode()[2:]
            image = feature["image"].bytes_list.value[0]
            lossy = name in ("print.jpg", "photo.webp")
            assert image[:3] == (b"\xff\xd8\xff" if lossy or name.endswith("jpg") else b"\x89PN")
            if image == kinds[name]:
                kept.add(name)
    assert kept == {"photo.jpg", "grey.jpg", "plain.png"}


@pytest.mark.parametrize("encoding", ["jpeg", "keep"])
def test_quality_is_that_of_every_jpeg_that_is_written(tmp_path, encoding):
    for number in range(8):
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(photo(number, size=(80, 60)), "JPEG", quality=98))
    sizes, errors = [], []
    for quality in (100, 95, 40, 5):
        output = tmp_path / f"{quality}"
        card = prepare(
            tmp_path / "source",
            output,
            encoding=encoding,
            quality=quality,
            max_side=40,
        )
        sizes.append(sum(shard.bytes for s in card.splits.values() for shard in s.shards))
        rows = [row for rows in images_in_order(output).values() for row in rows]
        errors.append(
            np.mean(
                [
                    np.abs(
                        image.astype(int)
                        - Image.open(tmp_path / "source" / name).resize(
                            (40, 30), Image.Resampling.BOX
                        )
                    ).mean()
                    for name, _, image in rows
                ]
            )
        )
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    assert errors == sorted(errors)
    assert errors[0] < 5 < errors[-1]


def test_bare_pixels_of_unequal_sizes_can_be_read(tmp_path):
    write_images(tmp_path / "source", {"dark": 6, "light": 6})
    write_images(tmp_path / "source" / "dark", {"wide": 6}, size=(4, 12), seed=1)
    prepare(tmp_path / "source", tmp_path / "data", encoding="raw")
    builder = tfds.builder_from_directory(str(tmp_path / "data"))
    for example in builder.as_dataset(split="train+test"):
        pixels = tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), example["shape"])
        given = np.asarray(Image.open(tmp_path / "source" / example["file_name"].numpy().decode()))
        np.testing.assert_array_equal(pixels[..., 0], given)


def test_colour_profiles_are_counted_and_not_applied(tmp_path):
    write_images(tmp_path / "source", {"a": 6, "b": 6})
    for n in range(4):
        plain_image = Image.open(tmp_path / f"source/a/{n:03d}.png")
        plain_image.save(tmp_path / f"source/a/{n:03d}.png", icc_profile=b"profile" * 40)
    plain = prepare(tmp_path / "source", tmp_path / "data", encoding="png")
    assert plain.source["with_profile"] == 4
    for rows in images_in_order(tmp_path / "data").values():
        for name, _, image in rows:
            given = np.asarray(Image.open(tmp_path / "source" / name))
            np.testing.assert_array_equal(image[..., 0], given)
