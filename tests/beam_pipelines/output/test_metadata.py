"""Metadata beside the shards: what TensorFlow Datasets reads, and the card."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.output import metadata
from headrace.errors import UserError
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card, Shard, Split
from tests.beam_pipelines.cards import make_card
from tests.beam_pipelines.jobs import file_contents, prepare
from tests.conftest import write_images


def test_bare_pixels_of_unequal_sizes_can_be_read(tmp_path):
    write_images(tmp_path / "source", {"dark": 6, "light": 6})
    write_images(tmp_path / "source" / "dark", {"wide": 6}, size=(4, 12), seed=1)
    prepare(tmp_path / "source", tmp_path / "data", encoding="raw")
    builder = tfds.builder_from_directory(str(tmp_path / "data"))
    for example in builder.as_dataset(split="train+test"):
        pixels = tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), example["shape"])
        given = np.asarray(Image.open(tmp_path / "source" / example["file_name"].numpy().decode()))
        np.testing.assert_array_equal(pixels[..., 0], given)


@pytest.mark.parametrize("encoding", dataset_dir.ENCODINGS)
def test_tfds_reads_the_images_that_were_given(source, tmp_path, encoding):
    card = prepare(source, tmp_path / "data", encoding=encoding)
    builder = tfds.builder_from_directory(str(tmp_path / "data"))
    assert builder.info.features["label"].names == ["dark", "light"]
    seen = set()
    for split in card.splits:
        assert builder.info.splits[split].num_examples == card.splits[split].records
        for example in builder.as_dataset(split=split):
            name = example["file_name"].numpy().decode()
            given = np.asarray(Image.open(source / name))[..., None]
            image = example["image"].numpy()
            if encoding == "float":
                image = np.round(image * 255)
            error = np.abs(image.astype(int) - given).max()
            assert error <= (30 if encoding == "jpeg" else 0)
            assert card.classes[int(example["label"])] == name.split("/")[0]
            assert example["shape"].numpy().tolist() == [8, 8, 1]
            seen.add(name)
    assert len(seen) == 30


def sized(rows: int, columns: int, most_rows: int | None = None) -> dict[str, dict[str, int]]:
    return {
        "rows": {"min": rows, "max": most_rows or rows},
        "columns": {"min": columns, "max": columns},
    }


def shards_of(name: str, split: str, lengths: list[int]) -> list[Shard]:
    return [
        Shard(dataset_dir.shard_file(name, split, number, len(lengths)), records, 100 + number, "")
        for number, records in enumerate(lengths)
    ]


def features_of(folder, card: Card):
    """The features that TFDS reads back."""
    metadata.write_tfds(str(folder), card)
    return tfds.builder_from_directory(str(folder)).info.features


shard_lengths = st.lists(st.integers(1, 10**6), min_size=1, max_size=12)


@given(st.dictionaries(st.sampled_from(["train", "test", "fold_7"]), shard_lengths, min_size=1))
@settings(max_examples=10)
def test_tfds_knows_every_shard_of_every_split(tmp_path_factory, lengths):
    folder = tmp_path_factory.mktemp("data")
    card = make_card(
        splits={
            name: Split([sum(counts), 0], shards_of("flowers", name, counts))
            for name, counts in lengths.items()
        }
    )
    metadata.write_tfds(str(folder), card)
    splits = tfds.builder_from_directory(str(folder)).info.splits
    assert {name: splits[name].shard_lengths for name in lengths} == lengths
    for name, split in card.splits.items():
        assert splits[name].filenames == [shard.file for shard in split.shards]
        assert splits[name].num_bytes == sum(shard.bytes for shard in split.shards)


def test_only_metadata_is_written_and_shards_are_left_as_they_are(tmp_path):
    shards = shards_of("flowers", "train", [3, 4])
    for shard in shards:
        (tmp_path / shard.file).write_bytes(b"records")
    metadata.write_tfds(str(tmp_path), make_card(splits={"train": Split([7, 0], shards)}))
    assert file_contents(tmp_path).keys() == {
        *(shard.file for shard in shards),
        "dataset_info.json",
        "features.json",
        "label.labels.txt",
    }
    assert {(tmp_path / shard.file).read_bytes() for shard in shards} == {b"records"}


@pytest.mark.parametrize(("encoding", "dtype"), [("raw", np.uint8), ("float", np.float32)])
def test_bare_pixels_have_a_shape_only_where_all_have_the_same(tmp_path, encoding, dtype):
    one = features_of(tmp_path, make_card(encoding=encoding, image_size=sized(5, 7)))["image"]
    assert (one.shape, one.np_dtype) == ((5, 7, 3), dtype)
    several = features_of(tmp_path, make_card(encoding=encoding, image_size=sized(5, 7, 6)))
    assert (several["image"].shape, several["image"].np_dtype) == ((), np.object_)


@pytest.mark.parametrize("weighted", [False, True])
def test_records_have_a_weight_where_the_source_gave_one(tmp_path, weighted):
    features = features_of(tmp_path, make_card(weighted=weighted))
    keys = {*dataset_dir.RECORD_KEYS, *(["weight"] if weighted else [])}
    assert features.keys() == keys
    assert features["image"].shape == (None, None, 3)
    if weighted:
        assert (features["weight"].shape, features["weight"].np_dtype) == ((), np.float32)


def test_classes_keep_their_order_and_their_names(tmp_path):
    classes = ["zebra", "grün & <grey>", "照片", "a"]
    assert features_of(tmp_path, make_card(classes=classes))["label"].names == classes


def test_the_card_makes_a_directory_a_finished_dataset(tmp_path):
    card = make_card(splits={"train": Split([1, 0], shards_of("flowers", "train", [1]))})
    (tmp_path / card.splits["train"].shards[0].file).write_bytes(bytes(100))
    metadata.write_tfds(str(tmp_path), card)
    with pytest.raises(UserError, match="no finished dataset"):
        dataset_dir.read_card(str(tmp_path))
    metadata.write_card(str(tmp_path), card)
    assert dataset_dir.read_card(str(tmp_path)) == card
