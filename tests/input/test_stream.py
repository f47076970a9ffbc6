"""The batch stream: a function of dataset, seed, batch size and step, and of nothing else."""

import hashlib
import itertools
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import sharding
from input import dataset_dir, stream
from tests.beam_pipelines.jobs import prepare
from tests.conftest import write_images

SIZE = (8, 8)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> pathlib.Path:
    """Training records only, 47 in a few shards: each image is told by its pixels."""
    folder = tmp_path_factory.mktemp("stream")
    write_images(folder / "source", {"dark": 20, "light": 27})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "shard_count", lambda *_: 5)
        prepare(folder / "source", folder / "data", splits="train:1", encoding="raw")
    return folder / "data"


def hashes(batch) -> list[str]:
    return [hashlib.sha1(image.tobytes()).hexdigest() for image in batch["image"]]


def batches(data_dir, count, *, batch_size=8, seed=1, start_step=0) -> list[list[str]]:
    dataset = stream.training(
        str(data_dir),
        dataset_dir.read_card(str(data_dir)),
        batch_size=batch_size,
        image_size=SIZE,
        seed=seed,
        start_step=start_step,
    )
    return [hashes(batch) for batch in itertools.islice(dataset.as_numpy_iterator(), count)]


@given(st.integers(1, 47), st.integers(0, 30), st.integers(0, 2**31))
@settings(max_examples=12)
def test_starting_at_a_step_continues_the_run_from_the_beginning(shards, batch_size, start, seed):
    whole = batches(shards, start + 3, batch_size=batch_size, seed=seed)
    late = batches(shards, 3, batch_size=batch_size, seed=seed, start_step=start)
    assert late == whole[start:]


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


@pytest.mark.parametrize("batch_size", [1, 7, 47, 64])
def test_evaluation_sees_every_record_once_and_masks_the_rest(shards, batch_size):
    card = dataset_dir.read_card(str(shards))
    found, labels = [], []
    for batch in stream.evaluation(
        str(shards), card, split="train", batch_size=batch_size, image_size=SIZE
    ).as_numpy_iterator():
        assert batch["image"].shape == (batch_size, 8, 8, 1)
        assert batch["image"].dtype == np.uint8
        real = batch["weight"] == 1
        assert set(batch["weight"]) <= {0.0, 1.0}
        found += np.array(hashes(batch))[real].tolist()
        labels += batch["label"][real].tolist()
    assert len(found) == len(set(found)) == 47
    assert np.bincount(labels).tolist() == [20, 27]


@pytest.mark.parametrize("encoding", dataset_dir.ENCODINGS)
def test_every_encoding_gives_the_same_pixels(tmp_path, encoding):
    write_images(tmp_path / "source", {"dark": 3, "light": 3})
    card = prepare(tmp_path / "source", tmp_path / "data", splits="train:1", encoding=encoding)
    (batch,) = stream.evaluation(
        str(tmp_path / "data"), card, split="train", batch_size=6, image_size=SIZE
    ).as_numpy_iterator()
    mean = batch["image"].astype(np.float64).mean()
    assert batch["image"].dtype == np.uint8
    assert mean == pytest.approx(card.mean[0], abs=2 if encoding == "jpeg" else 1e-9)
