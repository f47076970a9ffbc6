"""How images are stored: which bytes are kept, what is written anew, and shards that are whole."""

import dataclasses
import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_pipelines.pipeline import write
from beam_pipelines.pipeline.write import ShardTask
from beam_pipelines.rows import ShardRecord
from headrace import files
from input.dataset import dataset_dir, tfrecord
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import DEFAULTS, file_contents, images_in_order, prepare

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


def test_a_shard_that_two_workers_write_at_once_is_whole(source, tmp_path, monkeypatch):
    once = prepare(source, tmp_path / "once")
    example, begun = write._example, []

    def let_another_overtake(config, root, task, record):
        if task not in begun:
            begun.append(task)
            write.run_task(config, root, f"{config.output_dir}/.work", task)
        return example(config, root, task, record)

    monkeypatch.setattr(write, "_example", let_another_overtake)
    twice = prepare(source, tmp_path / "twice")
    assert begun
    assert twice == once
    assert file_contents(tmp_path / "twice") == file_contents(tmp_path / "once")


def plan_shard(folder: pathlib.Path, labels: list[int], **changes) -> list[ShardRecord]:
    """Writes an image for each label, and the plan of the one shard that holds them."""
    (folder / "work").mkdir()
    records = []
    for number, label in enumerate(labels):
        data = image_bytes(photo(number, size=(8, 6)), "PNG")
        (folder / f"{number}.png").write_bytes(data)
        record = ShardRecord(
            path=f"{number}.png",
            label=label,
            weight=None,
            file=f"{number}.png",
            offset=0,
            length=len(data),
            digest=hashlib.sha256(data).hexdigest(),
            rows=6,
            columns=8,
            verbatim=True,
        )
        records.append(dataclasses.replace(record, **changes))
    rows = [dataclasses.astuple(record) for record in records]
    files.write_rows(f"{folder}/work/shard-one.jsonl", rows)
    return records


def write_shard(folder: pathlib.Path, *, weighted: bool = False, **changes) -> dict:
    """Writes that shard; returns what the task says of it."""
    config = dataclasses.replace(DEFAULTS, output_dir=str(folder), **changes)
    write.run_task(config, str(folder), f"{folder}/work", ShardTask("one", 3, weighted))
    (result,) = files.read_rows(f"{folder}/work/done-one.jsonl")
    return result


def features(shard: pathlib.Path) -> list:
    """The features of each record of a shard, in order."""
    return [
        tf.train.Example.FromString(record).features.feature
        for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    ]


def test_a_shard_holds_the_images_of_its_plan_in_their_order_and_is_numbered(tmp_path):
    labels = [2, 0, 1, 1, 0]
    plan_shard(tmp_path, labels)
    result = write_shard(tmp_path)
    content = (tmp_path / "one").read_bytes()
    found = features(tmp_path / "one")
    assert [record["label"].int64_list.value[0] for record in found] == labels == result["labels"]
    for number, record in enumerate(found):
        assert record["file_name"].bytes_list.value[0].decode() == f"{number}.png"
        assert record["shape"].int64_list.value[:] == [6, 8, 3]
        assert record["image"].bytes_list.value[0] == (tmp_path / f"{number}.png").read_bytes()
    assert result["shard"] == {
        "file": "one",
        "records": 5,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    ends = [*result["offsets"][1:], len(content)]
    for first, end, record in zip(result["offsets"], ends, found, strict=True):
        example = tf.train.Example.FromString(tfrecord.unframe(content[first:end]))
        assert example.features.feature == record


@pytest.mark.parametrize("accident", ["another", "shorter", "gone"])
def test_an_image_that_is_not_what_was_scanned_is_named_and_no_shard_is_left(tmp_path, accident):
    plan_shard(tmp_path, [0] * 4)
    image = tmp_path / "2.png"
    if accident == "another":
        image.write_bytes((tmp_path / "1.png").read_bytes())
    elif accident == "shorter":
        image.write_bytes(image.read_bytes()[:-1])
    else:
        image.unlink()
    before = {path.name for path in tmp_path.iterdir()}
    assert write_shard(tmp_path) == {"changed": "2.png"}
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("weighted", "weight", "stored"), [(False, None, []), (True, None, [1.0]), (True, 0.25, [0.25])]
)
def test_an_image_without_a_weight_weighs_1_where_others_have_one(
    tmp_path, weighted, weight, stored
):
    plan_shard(tmp_path, [0], weight=weight)
    write_shard(tmp_path, weighted=weighted)
    (record,) = features(tmp_path / "one")
    assert list(record["weight"].float_list.value) == stored


def test_bytes_lie_where_the_plan_says_in_a_file_of_many(tmp_path):
    (record,) = plan_shard(tmp_path, [1], file="spill", offset=6)
    image = (tmp_path / "0.png").read_bytes()
    (tmp_path / "spill").write_bytes(b"before" + image + b"after")
    write_shard(tmp_path)
    (found,) = features(tmp_path / "one")
    assert found["image"].bytes_list.value[0] == image
    assert found["file_name"].bytes_list.value[0].decode() == record.path


def test_progress_is_told_on_the_way_and_another_attempt_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_COUNT_EVERY", 2)
    plan_shard(tmp_path, [0] * 5)
    write_shard(tmp_path)
    assert (tmp_path / "work/progress-one").read_text() == "4"
    before = file_contents(tmp_path)
    write_shard(tmp_path)
    assert file_contents(tmp_path) == before
