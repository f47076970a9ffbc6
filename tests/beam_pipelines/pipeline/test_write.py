"""How images are stored: which bytes are kept, and what is written anew."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_pipelines.pipeline import write
from input.dataset import dataset_dir
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import file_contents, images_in_order, prepare

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
