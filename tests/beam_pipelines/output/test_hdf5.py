"""A split as HDF5: every pixel and label, in order, whole or not at all."""

import contextlib
import io
import shutil
import typing
from collections.abc import Generator

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_pipelines.output import hdf5
from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.cards import make_card
from tests.beam_pipelines.hdf5_files import read_hdf5, write_hdf5
from tests.beam_pipelines.jobs import file_contents, prepare

CLASSES = ["colour", "grün & <grey>", "photo"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """30 images of 10 rows and 14 columns: RGB and grey PNG files, and JPEG files."""
    folder = tmp_path_factory.mktemp("hdf5") / "source"
    rng = np.random.default_rng(0)
    for name, mode, ending in zip(CLASSES, ("RGB", "L", "RGB"), ("png", "png", "jpg"), strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = Image.fromarray(rng.integers(0, 256, (10, 14, 3), dtype=np.uint8))
            pixels.convert(mode).save(folder / name / f"{number}.{ending}")
    return folder


def records(data, split):
    """The features of each record, in stored order."""
    card = dataset_dir.read_card(str(data))
    for record in tf.data.TFRecordDataset(dataset_dir.shard_paths(str(data), card, split)):
        yield tf.train.Example.FromString(record.numpy()).features.feature


def rgb(file) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("encoding", dataset_dir.ENCODINGS)
def test_rows_are_the_records_in_their_order_pixel_for_pixel(source, tmp_path, encoding):
    prepare(source, tmp_path / "data", encoding=encoding)
    assert write_hdf5(tmp_path / "data", tmp_path / "train.h5") == [8, 16, 18]
    images, labels, names = read_hdf5(tmp_path / "train.h5")
    assert names == CLASSES
    features = list(records(tmp_path / "data", "train"))
    assert [f["label"].int64_list.value[0] for f in features] == labels.tolist()
    for pixels, feature in zip(images, features, strict=True):
        stored = io.BytesIO(feature["image"].bytes_list.value[0])
        given = source / feature["file_name"].bytes_list.value[0].decode()
        np.testing.assert_array_equal(pixels, rgb(stored if encoding == "jpeg" else given))


def test_prepare_reads_back_what_was_written(source, tmp_path):
    prepare(source, tmp_path / "data")
    write_hdf5(tmp_path / "data", tmp_path / "test.h5", split="test")
    images, labels, _ = read_hdf5(tmp_path / "test.h5")
    card = prepare(f"hdf5:{tmp_path / 'test.h5'}", tmp_path / "again", splits="train:1")
    assert card.classes == CLASSES
    seen = set()
    for feature in records(tmp_path / "again", "train"):
        row = int(feature["file_name"].bytes_list.value[0].decode().removeprefix("images/"))
        assert feature["label"].int64_list.value[0] == labels[row]
        stored = io.BytesIO(feature["image"].bytes_list.value[0])
        np.testing.assert_array_equal(rgb(stored), images[row])
        seen.add(row)
    assert seen == set(range(12))


def test_grey_images_keep_their_one_channel(prepared, tmp_path):
    write_hdf5(prepared, tmp_path / "train.h5")
    images, labels, names = read_hdf5(tmp_path / "train.h5")
    assert images.shape == (72, 8, 8, 1)
    assert np.bincount(labels).tolist() == [24, 24, 24]
    assert names == ["dark", "grey", "light"]


@pytest.mark.parametrize("compression", hdf5.COMPRESSIONS)
def test_chunks_are_batches_compressed_as_asked(prepared, tmp_path, compression):
    write_hdf5(prepared, tmp_path / "plain.h5", batch_size=9)
    write_hdf5(prepared, tmp_path / "asked.h5", batch_size=9, compression=compression)
    with h5py.File(tmp_path / "asked.h5") as file:
        assert file["images"].chunks == (9, 8, 8, 1)
        assert file["labels"].chunks == (9,)
        assert file["images"].compression == (None if compression == "none" else compression)
    for plain, asked in zip(
        read_hdf5(tmp_path / "plain.h5"), read_hdf5(tmp_path / "asked.h5"), strict=True
    ):
        np.testing.assert_array_equal(plain, asked)


def test_a_split_smaller_than_a_batch_is_one_chunk(prepared, tmp_path):
    assert write_hdf5(prepared, tmp_path / "test.h5", split="test", batch_size=1000) == [24]
    with h5py.File(tmp_path / "test.h5") as file:
        assert file["images"].chunks == file["images"].shape == (24, 8, 8, 1)


def test_damaged_records_are_noticed_and_leave_no_file(source, tmp_path):
    card = prepare(source, tmp_path / "data")
    shard = tmp_path / "data" / card.splits["train"].shards[0].file
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"split 'train' of .* cannot be read .*prepare"):
        write_hdf5(tmp_path / "data", tmp_path / "out/train.h5")
    assert file_contents(tmp_path / "out") == {}


def test_the_file_may_lie_in_a_bucket(prepared, tmp_path, bucket):
    write_hdf5(prepared, tmp_path / "local.h5")
    write_hdf5(prepared, f"gs://{bucket.name}/exports/train.h5")
    (blob,) = bucket.list_blobs()
    assert blob.name == "exports/train.h5"
    assert blob.download_as_bytes() == (tmp_path / "local.h5").read_bytes()


def test_a_disk_without_room_is_named_before_anything_is_written(source, tmp_path, monkeypatch):
    prepare(source, tmp_path / "data")
    full = shutil.disk_usage(tmp_path)._replace(free=18 * 10 * 14 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with pytest.raises(UserError, match=r"train.h5 would take 7,560 bytes, 7,559 are free"):
        write_hdf5(tmp_path / "data", tmp_path / "train.h5")
    assert not (tmp_path / "train.h5").exists()


def sizes(rows: tuple[int, int], columns: tuple[int, int]) -> dict[str, dict[str, int]]:
    return {
        "rows": {"min": rows[0], "max": rows[1]},
        "columns": {"min": columns[0], "max": columns[1]},
    }


@pytest.mark.parametrize(("split", "images"), [("train", 2000), ("test", 40)])
def test_the_shape_is_images_rows_columns_channels(split, images):
    card = make_card(image_size=sizes((28, 28), (32, 32)))
    assert hdf5.shape("data", card, split) == (images, 28, 32, 3)


@pytest.mark.parametrize("image_size", [sizes((7, 8), (9, 9)), sizes((7, 7), (8, 9))])
def test_images_that_differ_along_one_side_are_refused(image_size):
    with pytest.raises(UserError, match=r"data has images of 7 to . rows .*--size"):
        hdf5.shape("data", make_card(image_size=image_size), "train")


def test_a_file_that_is_there_is_replaced_only_once_the_new_one_is_whole(prepared, tmp_path):
    output = tmp_path / "train.h5"
    output.write_bytes(b"the one before")
    card = dataset_dir.read_card(str(prepared))
    with contextlib.closing(
        typing.cast(Generator, hdf5.write(str(prepared), card, "train", str(output), 8, "none"))
    ) as written:
        assert next(written) == 8
        assert output.read_bytes() == b"the one before"
    assert file_contents(tmp_path) == {"train.h5": b"the one before"}
    write_hdf5(prepared, output)
    assert len(read_hdf5(output)[1]) == 72
    assert file_contents(tmp_path).keys() == {"train.h5"}


def test_a_place_that_cannot_be_written_is_named(prepared):
    with pytest.raises(UserError, match=r"`output`=/proc/train\.h5 cannot be written: No"):
        write_hdf5(prepared, "/proc/train.h5")  # no one may make a file there, root neither
