"""Records by number: the right ones, in the order asked for, wherever they lie."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beam_pipelines.planning import sharding
from headrace.errors import UserError
from input.dataset import dataset_dir, record_files, tfrecord
from input.dataset.reader import BadRecordError, Reader, _features
from tests.beam_pipelines.cards import make_card
from tests.beam_pipelines.jobs import prepare
from tests.conftest import upload, write_images


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> pathlib.Path:
    """31 records in four shards."""
    folder = tmp_path_factory.mktemp("reader")
    write_images(folder / "source", {"dark": 15, "light": 16})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "shard_count", lambda *_: 4)
        prepare(folder / "source", folder / "data", splits="train:1")
    return folder / "data"


@pytest.fixture(scope="module")
def stored(data) -> list[tuple[bytes, int]]:
    """Image and label of each record, as TensorFlow reads them."""
    card = dataset_dir.read_card(str(data))
    features = [
        tf.train.Example.FromString(record.numpy()).features.feature
        for record in tf.data.TFRecordDataset(dataset_dir.shard_paths(str(data), card, "train"))
    ]
    return [(f["image"].bytes_list.value[0], f["label"].int64_list.value[0]) for f in features]


@given(numbers=st.lists(st.integers(0, 30), max_size=50))
@settings(max_examples=40)
def test_records_are_those_that_were_asked_for(data, stored, numbers):
    reader = Reader(str(data), dataset_dir.read_card(str(data)), "train")
    found = reader.read(np.array(numbers, np.int64))
    pairs = list(zip(found.image.tolist(), found.label.tolist(), strict=True))
    assert pairs == [stored[number] for number in numbers]
    assert found.good.all()
    assert len(reader) == 31


def test_records_of_a_bucket_are_read_as_well(data, stored, bucket):
    there = upload(bucket, data, "some/data")
    for path in (there, f"{there}/"):
        reader = Reader(path, dataset_dir.read_card(path), "train")
        found = reader.read(np.array([30, 3, 4, 5, 3]))
        assert found.image.tolist() == [stored[number][0] for number in (30, 3, 4, 5, 3)]


def test_a_bucket_without_a_dataset_or_shard_is_told(data, bucket):
    with pytest.raises(UserError, match=r"gs://no-such/data is no finished dataset directory"):
        dataset_dir.read_card("gs://no-such/data")
    there = upload(bucket, data, "data")
    card = dataset_dir.read_card(there)
    reader = Reader(there, card, "train")
    gone = card.splits["train"].shards[1].file
    bucket.blob(f"data/{gone}").delete()
    with pytest.raises(UserError, match=f"{there}/{gone} is missing"):
        dataset_dir.read_card(there)
    with pytest.raises(UserError, match=f"{there}/{gone} cannot be read"):
        reader.read(np.arange(31))
    with pytest.raises(UserError, match=r"neither local nor gs://"):
        dataset_dir.read_card("s3://bucket/data")


@given(
    cuts=st.sets(st.integers(1, 30), min_size=2, max_size=2),
    numbers=st.lists(st.integers(0, 30), min_size=1, max_size=50),
)
@example(cuts={3, 6}, numbers=list(range(31)))
@settings(max_examples=20)
def test_records_of_slices_follow_each_other_as_named(data, stored, cuts, numbers):
    card = dataset_dir.read_card(str(data))
    low, high = sorted(cuts)
    reader = Reader(str(data), card, f"train[:{low}]+train[{high}:]+train[{low}:{high}]")
    named = stored[:low] + stored[high:] + stored[low:high]
    found = reader.read(np.array(numbers))
    pairs = list(zip(found.image.tolist(), found.label.tolist(), strict=True))
    assert pairs == [named[number] for number in numbers]
    assert reader.labels().tolist() == [label for _, label in named]
    assert len(Reader(str(data), card, f"train[{low}:{high}]")) == high - low


@given(bad=st.integers(0, 30), start=st.integers(0, 30))
@settings(max_examples=12)
def test_a_damaged_record_of_a_slice_is_told_by_its_place_in_the_shard(data, tmp_path, bad, start):
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = dataset_dir.read_card(str(tmp_path))
    shards = card.splits["train"].shards
    shard = next(n for n in range(4) if bad < sum(s.records for s in shards[: n + 1]))
    in_shard = bad - sum(s.records for s in shards[:shard])
    byte = int(record_files.read_index(str(tmp_path), card, "train")[bad])
    path = tmp_path / shards[shard].file
    content = bytearray(path.read_bytes())
    content[byte + 40] ^= 1
    path.write_bytes(content)

    reader = Reader(str(tmp_path), card, f"train[{start}:]+train[:{start}]" if start else "train")
    with pytest.raises(BadRecordError) as caught:
        reader.read(np.arange(31))
    assert f"record {in_shard} of {path}, at byte {byte}, is damaged" in str(caught.value)
    skipping = Reader(str(tmp_path), card, reader.split, skips=True)
    skipping.read(np.arange(31))
    assert list(skipping.bad) == [(bad - start) % 31]


def test_labels_are_told_without_reading_records(data, stored):
    reader = Reader(str(data), dataset_dir.read_card(str(data)), "train")
    assert reader.labels().tolist() == [label for _, label in stored]


def test_a_shard_that_is_gone_is_named(data, tmp_path):
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = dataset_dir.read_card(str(tmp_path))
    reader = Reader(str(tmp_path), card, "train")
    (tmp_path / card.splits["train"].shards[2].file).unlink()
    with pytest.raises(UserError, match="tfrecord-00002-of-00004 cannot be read"):
        reader.read(np.arange(31))


def test_a_split_without_a_good_record_says_so(data, tmp_path):
    for path in data.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(
            bytes(len(content)) if "tfrecord" in path.name else content
        )
    card = dataset_dir.read_card(str(tmp_path))
    with pytest.raises(BadRecordError, match="has no good record"):
        Reader(str(tmp_path), card, "train", skips=True).read(np.arange(2))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"\xff\xff\xff", "no tf.train.Example"),
        (tf.train.Example().SerializeToString(), "has no image"),
    ],
)
def test_what_is_no_record_is_told(record, said):
    with pytest.raises(ValueError, match=said):
        _features(tfrecord.frame(record), make_card())
