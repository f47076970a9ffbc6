"""The batch stream from a bucket: the batches that the same files on disk give."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UserError
from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.loading import read_records
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order
from tests.conftest import upload

VIEW = Preprocessing((8, 8))


def opened(data_dir) -> Reader:
    return Reader(str(data_dir), dataset_dir.read_card(str(data_dir)), "train")


def batches(data_dir, order: Order, count: int, **options) -> list[np.ndarray]:
    found = stream.training(
        opened(data_dir), order, preprocessing=VIEW, **options
    ).as_numpy_iterator()
    return [batch["image"] for batch in itertools.islice(found, count)]


@pytest.fixture(scope="module")
def there(prepared, shared_bucket):
    """`prepared` in a bucket."""
    return upload(shared_bucket, prepared, "data")


@given(
    chunk=st.integers(1, 80),
    window=st.integers(1, 6),
    start=st.integers(0, 10**6),
    pipelines=st.sampled_from([1, 2]),
)
@settings(max_examples=4)
def test_a_bucket_gives_the_batches_of_the_disk(prepared, there, chunk, window, start, pipelines):
    asked = Order(72, 16, 2, seed=3, chunk=chunk, window=window)
    for pipeline in range(pipelines):
        options = {"start_step": start, "pipeline": pipeline, "pipelines": pipelines}
        for ours, theirs in zip(
            batches(there, asked, 9, **options),
            batches(prepared, asked, 9, **options),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_evaluation_from_a_bucket_is_that_from_the_disk(prepared, there):
    ours, theirs = (
        list(stream.evaluation(opened(path), VIEW, batch_size=20).as_numpy_iterator())
        for path in (there, prepared)
    )
    for a, b in zip(ours, theirs, strict=True):
        for name, value in a.items():
            np.testing.assert_array_equal(value, b[name])


def test_a_damaged_record_of_a_bucket_is_named(prepared, bucket):
    there = upload(bucket, prepared, "data")
    card = dataset_dir.read_card(there)
    (shard,) = card.splits["train"].shards
    start = int(dataset_dir.read_index(there, card, "train")[17])
    blob = bucket.blob(f"data/{shard.file}")
    content = bytearray(blob.download_as_bytes())
    content[start + 40] ^= 1
    blob.upload_from_string(bytes(content))
    reader = opened(there)
    asked = Order(72, 24, 8, seed=0, chunk=5, window=2)
    said = f"record 17 of {there}/{shard.file}, at byte {start}, is damaged"
    with pytest.raises(UserError, match=said), read_records.reader_errors(reader):
        list(
            itertools.islice(
                stream.training(reader, asked, preprocessing=VIEW).as_numpy_iterator(), 3
            )
        )
