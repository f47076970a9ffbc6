"""Records in batches: what the reader reads, from a bucket as from a disk, and its errors."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UserError
from input import stream
from input.dataset import dataset_dir, record_files
from input.dataset.reader import Reader
from input.loading import read_records
from input.preprocessing.spec import Preprocessing
from input.sampling import index_shuffle
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
    start = int(record_files.read_index(there, card, "train")[17])
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


ENCODED = {
    "image": tf.TensorSpec([3], tf.string),
    "label": tf.TensorSpec([3], tf.int64),
    "shape": tf.TensorSpec([3, 3], tf.int64),
    "weight": tf.TensorSpec([3], tf.float32),
    "good": tf.TensorSpec([3], tf.bool),
}


def assert_records(batch: dict[str, np.ndarray], reader: Reader, indices: np.ndarray) -> None:
    records = reader.read(indices)
    assert batch.keys() == ENCODED.keys()
    for name, value in batch.items():
        np.testing.assert_array_equal(value, getattr(records, name))


def test_batches_of_indices_become_the_readers_records_in_their_order(prepared):
    reader = opened(prepared)
    indices = np.random.default_rng(0).integers(0, 72, (30, 3))
    found = read_records.read(tf.data.Dataset.from_tensor_slices(indices), reader, 3)
    assert found.element_spec == ENCODED
    for batch, own in zip(found.as_numpy_iterator(), indices, strict=True):
        assert_records(batch, reader, own)


class Counting(Reader):
    """Says that its shards are far away, and counts the requests for frames."""

    is_remote = True

    def __init__(self, data_dir) -> None:
        super().__init__(str(data_dir), dataset_dir.read_card(str(data_dir)), "train")
        self.requests: list[list[int]] = []

    def frames(self, numbers: np.ndarray) -> list[bytes]:
        self.requests.append(numbers.tolist())
        return super().frames(numbers)


def read_steps(reader: Reader, order: Order, first: int, last: int) -> list[dict]:
    steps = tf.data.Dataset.range(first, last)
    found = read_records.read_steps(
        steps, lambda step: index_shuffle.batch(order, step), reader, order, 1
    )
    return list(found.as_numpy_iterator())


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_steps_far_away_are_read_by_whole_chunks_where_batches_follow_the_order(prepared, sampling):
    order = Order(72, 3, 3, seed=1, chunk=10, window=8, sampling=sampling)
    reader = Counting(prepared)
    found = read_steps(reader, order, 5, 24)
    asked, reader.requests = reader.requests, []
    for step, batch in enumerate(found, 5):
        indices = index_shuffle.batch(order, tf.constant(step, tf.int64)).numpy()
        assert_records(batch, reader, indices)
    chunks = [list(range(first, min(first + 10, 72))) for first in range(0, 72, 10)]
    if sampling == "natural":
        assert all(numbers in chunks for numbers in asked)
        assert len(asked) < len(found)
    else:
        assert sorted(asked) == sorted(reader.requests)


def test_steps_near_by_are_read_record_by_record(prepared):
    order = Order(72, 3, 3, seed=1, chunk=10, window=8)
    reader = Counting(prepared)
    reader.is_remote = False
    read_steps(reader, order, 0, 4)
    assert sorted(map(len, reader.requests)) == [3] * 4


def test_an_error_that_is_not_the_readers_stays_what_it_is(prepared):
    reader = opened(prepared)
    broken = tf.data.Dataset.range(1).map(lambda value: tf.debugging.check_numerics(np.inf, "oh"))
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match="oh"),
        read_records.reader_errors(reader),
    ):
        list(broken)
    with pytest.raises(KeyError), read_records.reader_errors(reader):
        raise KeyError("ours")
    with read_records.reader_errors(reader):
        pass
