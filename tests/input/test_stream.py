"""The batch stream: a function of dataset, seed, batch size, lanes and step, of nothing else."""

import hashlib
import itertools
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.planning import sharding
from headrace.errors import UserError
from input import stream
from input.augment import warp
from input.augment.config import Augmentation
from input.augment.rng import BatchRng
from input.dataset import dataset_dir, record_files
from input.dataset.reader import Reader
from input.loading import read_records
from input.preprocessing.spec import Preprocessing
from input.sampling import class_sampling, index_shuffle
from input.sampling.order import Order
from tests.beam_pipelines.jobs import prepare
from tests.conftest import write_images

SIZE = (8, 8)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> pathlib.Path:
    """Training records only, 47 in shards of unequal length: each image is told by its pixels."""
    folder = tmp_path_factory.mktemp("stream")
    write_images(folder / "source", {"dark": 20, "light": 27})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "shard_count", lambda *_: 5)
        prepare(folder / "source", folder / "data", splits="train:1", encoding="raw")
    return folder / "data"


def reader(data_dir, skips=False) -> Reader:
    return Reader(str(data_dir), dataset_dir.read_card(str(data_dir)), "train", skips)


def hashes(batch) -> list[str]:
    return [
        hashlib.sha1(image.tobytes() + label.tobytes()).hexdigest()
        for image, label in zip(batch["image"], batch["label"], strict=True)
    ]


def pixels(stored) -> np.ndarray:
    return np.frombuffer(b"".join(stored.image), np.uint8).reshape(-1, *SIZE, 1)


def batches(data_dir, count, *, batch_size=8, lanes=1, seed=1, **options) -> list[list[str]]:
    chosen = {
        name: options.pop(name) for name in ("chunk", "window", "sampling") if name in options
    }
    asked = Order(47, batch_size, lanes, seed, **chosen)
    dataset = stream.training(reader(data_dir), asked, preprocessing=Preprocessing(SIZE), **options)
    return [hashes(batch) for batch in itertools.islice(dataset.as_numpy_iterator(), count)]


@given(st.integers(1, 47), st.integers(0, 30), st.integers(0, 2**31))
@settings(max_examples=12)
def test_starting_at_a_step_continues_the_run_from_the_beginning(shards, batch_size, start, seed):
    whole = batches(shards, start + 3, batch_size=batch_size, seed=seed)
    late = batches(shards, 3, batch_size=batch_size, seed=seed, start_step=start)
    assert late == whole[start:]


@given(
    pipelines=st.sampled_from([1, 2, 4, 8]),
    chunk=st.integers(1, 9),
    window=st.integers(1, 4),
    start=st.integers(0, 10**12),
)
@settings(max_examples=12)
def test_any_number_of_pipelines_gives_the_same_batches(shards, pipelines, chunk, window, start):
    options = {"batch_size": 16, "lanes": 8, "chunk": chunk, "window": window}
    options["start_step"] = start
    whole = batches(shards, 3, **options)
    parts = [
        batches(shards, 3, pipeline=number, pipelines=pipelines, **options)
        for number in range(pipelines)
    ]
    assert [list(itertools.chain(*part)) for part in zip(*parts, strict=True)] == whole


@given(
    kind=st.sampled_from(list(class_sampling.BATCHES)),
    pipelines=st.sampled_from([1, 2, 4, 8]),
    start=st.integers(0, 10**12),
)
@settings(max_examples=8)
def test_batches_by_class_are_the_same_too_for_any_number_of_pipelines_and_any_start(
    shards, kind, pipelines, start
):
    options = {"batch_size": 16, "lanes": 8, "sampling": kind}
    whole = batches(shards, 3, start_step=start, **options)
    parts = [
        batches(shards, 1, start_step=start + 2, pipeline=number, pipelines=pipelines, **options)[0]
        for number in range(pipelines)
    ]
    assert list(itertools.chain(*parts)) == whole[2]


def test_batches_by_class_have_the_records_that_the_arithmetic_names(shards):
    for kind, make in class_sampling.BATCHES.items():
        asked = Order(47, 12, 2, seed=5, sampling=kind)
        source = reader(shards)
        found = next(
            stream.training(source, asked, Preprocessing(SIZE), start_step=9).as_numpy_iterator()
        )
        numbers = make(asked, source.labels())(9)
        stored = source.read(numbers)
        assert hashes(found) == hashes({"image": pixels(stored), "label": stored.label})
    assert np.bincount(found["label"]).tolist() == [6, 6]


def test_a_part_is_flipped_where_a_whole_image_would_be(shards):
    asked = Order(47, batch_size=8, lanes=2, seed=3)

    def first(**options) -> np.ndarray:
        augmentation = Augmentation(crop="resized", **options)
        dataset = stream.training(
            reader(shards), asked, Preprocessing(SIZE), start_step=5, augmentation=augmentation
        )
        return next(dataset.as_numpy_iterator())["image"]

    rng = BatchRng(seed=3, step=tf.constant(5, tf.int64), batch_size=8, first=0, count=8)
    plain, flipped = first(), first(horizontal_flip=True)
    np.testing.assert_array_equal(flipped, warp.flip(plain, rng))
    assert (flipped != plain).any()


def test_parts_of_bare_pixels_can_be_warped(shards):
    augmentation = Augmentation(crop="resized", horizontal_flip=True, rotation=20.0)
    asked = Order(47, batch_size=8, lanes=2, seed=3)
    dataset = stream.training(reader(shards), asked, Preprocessing(SIZE), augmentation=augmentation)
    assert dataset.element_spec["image"].shape == (8, *SIZE, 1)


@given(st.integers(1, 47), st.integers(0, 2**31))
@settings(max_examples=8)
def test_an_epoch_has_no_record_twice_and_leaves_out_less_than_a_batch(shards, batch_size, seed):
    per_epoch = 47 // batch_size
    records = list(itertools.chain(*batches(shards, per_epoch, batch_size=batch_size, seed=seed)))
    assert len(set(records)) == len(records) == per_epoch * batch_size
    assert 47 - len(records) < batch_size


def test_epochs_differ_in_order_and_in_what_they_leave_out(shards):
    found = batches(shards, 25)
    epochs = [list(itertools.chain(*found[e : e + 5])) for e in range(0, 25, 5)]
    assert len({tuple(epoch) for epoch in epochs}) == 5
    assert len({frozenset(epoch) for epoch in epochs}) > 1
    assert len(set(itertools.chain(*epochs))) == 47


def test_another_seed_gives_another_order(shards):
    assert batches(shards, 3, seed=1) == batches(shards, 3, seed=1)
    assert batches(shards, 3, seed=1) != batches(shards, 3, seed=2)


@pytest.mark.parametrize(("batch_size", "pipelines"), [(1, 1), (7, 1), (47, 1), (64, 4), (12, 3)])
def test_evaluation_sees_every_record_once_and_masks_the_rest(shards, batch_size, pipelines):
    found, labels, counts = [], [], set()
    for pipeline in range(pipelines):
        dataset = stream.evaluation(
            reader(shards),
            batch_size=batch_size,
            preprocessing=Preprocessing(SIZE),
            pipeline=pipeline,
            pipelines=pipelines,
        )
        given = list(dataset.as_numpy_iterator())
        counts.add(len(given))
        for batch in given:
            assert batch["image"].shape == (batch_size // pipelines, 8, 8, 1)
            assert batch["image"].dtype == np.uint8
            real = batch["weight"] == 1
            assert set(batch["weight"]) <= {0.0, 1.0}
            found += np.array(hashes(batch))[real].tolist()
            labels += batch["label"][real].tolist()
    assert len(counts) == 1
    assert len(found) == len(set(found)) == 47
    assert np.bincount(labels).tolist() == [20, 27]


def test_evaluation_of_some_records_has_these_in_their_order(shards):
    def evaluated(**options) -> list[str]:
        dataset = stream.evaluation(
            reader(shards), batch_size=4, preprocessing=Preprocessing(SIZE), **options
        )
        given = list(dataset.as_numpy_iterator())
        real = np.concatenate([batch["weight"] for batch in given]) == 1
        return np.concatenate([hashes(batch) for batch in given])[real].tolist()

    chosen = np.array([46, 3, 4, 5, 40, 0])
    assert evaluated(records=chosen) == [evaluated()[index] for index in chosen]


@pytest.mark.parametrize("encoding", dataset_dir.ENCODINGS)
@pytest.mark.parametrize("size", [(8, 8), (6, 6)])
def test_every_encoding_gives_the_same_pixels(tmp_path, encoding, size):
    write_images(tmp_path / "source", {"dark": 3, "light": 3})
    card = prepare(tmp_path / "source", tmp_path / "data", splits="train:1", encoding=encoding)
    (batch,) = stream.evaluation(
        reader(tmp_path / "data"), batch_size=6, preprocessing=Preprocessing(size)
    ).as_numpy_iterator()
    assert batch["image"].shape == (6, *size, 1)
    assert batch["image"].dtype == np.uint8
    if size == SIZE:
        mean = batch["image"].astype(np.float64).mean()
        assert mean == pytest.approx(card.mean[0], abs=2 if encoding == "jpeg" else 1e-9)


@pytest.mark.parametrize("chosen", ["training", "evaluation"])
def test_a_damaged_record_ends_the_stream_with_its_place(damaged, chosen):
    bad = reader(damaged)
    if chosen == "training":
        dataset = stream.training(bad, Order(47, 47, 1, 1), preprocessing=Preprocessing(SIZE))
    else:
        dataset = stream.evaluation(bad, batch_size=8, preprocessing=Preprocessing(SIZE))
    with (
        pytest.raises(UserError, match=r"record 3 of .*tfrecord-00001-of-00005, at byte \d+, is"),
        read_records.reader_errors(bad),
    ):
        list(itertools.islice(dataset.as_numpy_iterator(), 6))


def test_a_damaged_record_may_be_skipped_the_same_way_each_time(damaged, shards):
    asked = Order(47, 47, 1, 1)
    found = []
    for _ in range(2):
        skipping = reader(damaged, skips=True)
        dataset = stream.training(skipping, asked, preprocessing=Preprocessing(SIZE))
        found.append(hashes(next(dataset.as_numpy_iterator())))
        assert len(skipping.bad) == 1
    assert found[0] == found[1]
    (whole,) = batches(shards, 1, batch_size=47)
    differing = [a != b for a, b in zip(found[0], whole, strict=True)]
    assert sum(differing) == 1
    assert len(set(found[0])) == 46


def test_evaluation_counts_no_record_in_place_of_a_damaged_one(damaged):
    dataset = stream.evaluation(
        reader(damaged, skips=True), batch_size=10, preprocessing=Preprocessing(SIZE)
    )
    assert sum(batch["weight"].sum() for batch in dataset.as_numpy_iterator()) == 46


@pytest.fixture
def damaged(shards, tmp_path) -> pathlib.Path:
    """The same dataset; a byte of the fourth record of the second shard is another."""
    card = dataset_dir.read_card(str(shards))
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    first = card.splits["train"].shards[0].records
    start = int(record_files.read_index(str(shards), card, "train")[first + 3])
    path = tmp_path / card.splits["train"].shards[1].file
    content = bytearray(path.read_bytes())
    content[start + 40] ^= 1
    path.write_bytes(content)
    return tmp_path


def test_the_order_of_the_stream_is_that_of_the_arithmetic(shards):
    asked = Order(47, 8, 2, seed=5)
    numbers = index_shuffle.batch(asked, tf.constant(9, tf.int64)).numpy()
    stored = next(
        stream.evaluation(
            reader(shards), batch_size=47, preprocessing=Preprocessing(SIZE)
        ).as_numpy_iterator()
    )
    (found,) = batches(shards, 1, lanes=2, seed=5, start_step=9)
    assert found == [hashes(stored)[number] for number in numbers]
