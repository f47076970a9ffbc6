"""A split as HDF5: every pixel and label, in order, whole or not at all."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_pipelines.output import hdf5
from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import file_contents, prepare
from tests.conftest import ROOT, assert_one_line_error, run_program, write_images

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


def write(data, output, *, split="train", batch_size=8, compression="none"):
    """Writes the file; returns the counts that it reported."""
    card = dataset_dir.read_card(str(data))
    return list(hdf5.write(str(data), card, split, str(output), batch_size, compression))


def read(path):
    """Images, labels and label names."""
    with h5py.File(path) as file:
        assert sorted(file) == ["images", "label_names", "labels"]
        assert file["images"].dtype == np.uint8
        return file["images"][:], file["labels"][:], list(file["label_names"].asstr())


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
    assert write(tmp_path / "data", tmp_path / "train.h5") == [8, 16, 18]
    images, labels, names = read(tmp_path / "train.h5")
    assert names == CLASSES
    features = list(records(tmp_path / "data", "train"))
    assert [f["label"].int64_list.value[0] for f in features] == labels.tolist()
    for pixels, feature in zip(images, features, strict=True):
        stored = io.BytesIO(feature["image"].bytes_list.value[0])
        given = source / feature["file_name"].bytes_list.value[0].decode()
        np.testing.assert_array_equal(pixels, rgb(stored if encoding == "jpeg" else given))


def test_prepare_reads_back_what_was_written(source, tmp_path):
    prepare(source, tmp_path / "data")
    write(tmp_path / "data", tmp_path / "test.h5", split="test")
    images, labels, _ = read(tmp_path / "test.h5")
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
    write(prepared, tmp_path / "train.h5")
    images, labels, names = read(tmp_path / "train.h5")
    assert images.shape == (72, 8, 8, 1)
    assert np.bincount(labels).tolist() == [24, 24, 24]
    assert names == ["dark", "grey", "light"]


@pytest.mark.parametrize("compression", hdf5.COMPRESSIONS)
def test_chunks_are_batches_compressed_as_asked(prepared, tmp_path, compression):
    write(prepared, tmp_path / "plain.h5", batch_size=9)
    write(prepared, tmp_path / "asked.h5", batch_size=9, compression=compression)
    with h5py.File(tmp_path / "asked.h5") as file:
        assert file["images"].chunks == (9, 8, 8, 1)
        assert file["labels"].chunks == (9,)
        assert file["images"].compression == (None if compression == "none" else compression)
    for plain, asked in zip(read(tmp_path / "plain.h5"), read(tmp_path / "asked.h5"), strict=True):
        np.testing.assert_array_equal(plain, asked)


def test_a_split_smaller_than_a_batch_is_one_chunk(prepared, tmp_path):
    assert write(prepared, tmp_path / "test.h5", split="test", batch_size=1000) == [24]
    with h5py.File(tmp_path / "test.h5") as file:
        assert file["images"].chunks == file["images"].shape == (24, 8, 8, 1)


def test_the_program_writes_the_same_bytes_twice_and_refuses_to_overwrite(prepared, tmp_path):
    arguments = ["beam_pipelines.to_hdf5", f"--data_dir={prepared}", "--batch_size=16"]
    finished = run_program(*arguments, f"--output={tmp_path / 'one.h5'}")
    assert finished.returncode == 0, finished.stderr
    assert "write: 72 images" in finished.stdout
    write(prepared, tmp_path / "two.h5", batch_size=16)
    before = file_contents(tmp_path)
    assert before["one.h5"] == before["two.h5"]
    refused = run_program(*arguments, f"--output={tmp_path / 'one.h5'}")
    assert_one_line_error(refused, 1, f"--output={tmp_path / 'one.h5'} exists")
    assert file_contents(tmp_path) == before


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--compression=zip"], 2, ["--compression=zip", "none|gzip|lzf"]),
        (["--batch_size=0"], 2, ["--batch_size=0"]),
        (["--batch_size=70000000"], 2, ["--batch_size=70000000", "4 GiB", "at most 67108863"]),
        (["--data_dir="], 1, ["no finished dataset directory"]),
        (["--split=exam"], 1, ["no split 'exam'", "'train', 'validation', 'test'"]),
        (["--output=nowhere/x.h5"], 1, ["--output=nowhere/x.h5", "No such file or directory"]),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(prepared, tmp_path, flags, code, words):
    finished = run_program(
        "beam_pipelines.to_hdf5",
        f"--data_dir={prepared}",
        f"--output={tmp_path / 'x.h5'}",
        *flags,
    )
    assert_one_line_error(finished, code, *words)
    assert "images in" not in finished.stdout
    assert file_contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("data_dir", "output", "code", "words"),
    [
        ("s3://bucket/data", "train.h5", 2, ["--data_dir=s3://bucket/data", "gs://"]),
        (None, "s3://bucket/train.h5", 2, ["--output=s3://bucket/train.h5", "gs://"]),
        (None, "a" * 252 + ".h5", 1, ["--output=aaa", "File name too long"]),
    ],
)
def test_paths_that_no_file_can_have_are_said_in_one_line(prepared, data_dir, output, code, words):
    finished = run_program(
        "beam_pipelines.to_hdf5", f"--data_dir={data_dir or prepared}", f"--output={output}"
    )
    assert_one_line_error(finished, code, *words)


def test_images_of_unequal_sizes_are_refused_with_the_remedy(tmp_path):
    write_images(tmp_path / "source", {"dark": 6, "light": 6})
    write_images(tmp_path / "source" / "dark", {"wide": 6}, size=(4, 12), seed=1)
    prepare(tmp_path / "source", tmp_path / "data")
    finished = run_program(
        "beam_pipelines.to_hdf5", f"--data_dir={tmp_path / 'data'}", f"--output={tmp_path / 'x.h5'}"
    )
    assert_one_line_error(finished, 1, "4 to 8 rows and 8 to 12 columns", "--size")
    assert not (tmp_path / "x.h5").exists()


def test_damaged_records_are_noticed_and_leave_no_file(source, tmp_path):
    card = prepare(source, tmp_path / "data")
    shard = tmp_path / "data" / card.splits["train"].shards[0].file
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"split 'train' of .* cannot be read .*prepare"):
        write(tmp_path / "data", tmp_path / "out/train.h5")
    assert file_contents(tmp_path / "out") == {}


def test_the_file_may_lie_in_a_bucket(prepared, tmp_path, bucket):
    write(prepared, tmp_path / "local.h5")
    write(prepared, f"gs://{bucket.name}/exports/train.h5")
    (blob,) = bucket.list_blobs()
    assert blob.name == "exports/train.h5"
    assert blob.download_as_bytes() == (tmp_path / "local.h5").read_bytes()


def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path):
    write_images(tmp_path / "source", {"dark": 150, "light": 150})
    splits = "train:0.9,test:0.1"
    prepare(
        tmp_path / "source",
        tmp_path / "data",
        size=(256, 256),
        encoding="raw",
        splits=splits,
    )
    (tmp_path / "out").mkdir()
    arguments = [
        "beam_pipelines.to_hdf5",
        f"--data_dir={tmp_path / 'data'}",
        f"--output={tmp_path / 'out/train.h5'}",
        "--batch_size=1",
        "--compression=gzip",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name[:10] for path in (tmp_path / "out").iterdir()] == [".train.h5."]
    for name in ("out/train.h5", "whole.h5"):
        write(tmp_path / "data", tmp_path / name, batch_size=1, compression="gzip")
    assert file_contents(tmp_path / "out") == {"train.h5": (tmp_path / "whole.h5").read_bytes()}


def test_a_disk_without_room_is_named_before_anything_is_written(source, tmp_path, monkeypatch):
    prepare(source, tmp_path / "data")
    full = shutil.disk_usage(tmp_path)._replace(free=18 * 10 * 14 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with pytest.raises(UserError, match=r"train.h5 would take 7,560 bytes, 7,559 are free"):
        write(tmp_path / "data", tmp_path / "train.h5")
    assert not (tmp_path / "train.h5").exists()
