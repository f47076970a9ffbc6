"""The data of a run: what is trained on, what is evaluated, and what is made of the labels."""

import functools
import itertools
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UserError
from input.dataset import dataset_dir
from input.loading import read_records
from input.sampling import even_sample
from tests.conftest import run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import go_on
from trainer import run_data, run_dir
from trainer.config import run as run_config
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data


@pytest.fixture(scope="module")
def config(run):
    return with_values(run_config.read(str(run)), cache="none", pad=1, horizontal_flip=True)


def data_of(config, **changes) -> Data:
    config = with_values(config, **changes)
    card = dataset_dir.read_card(config.data.data_dir)
    return Data(config, card, tf.distribute.get_strategy(), TrainingProgress(9))


def taken(batches, count=None) -> list[dict[str, np.ndarray]]:
    """The first batches, or all of them."""
    return [
        {name: values.numpy() for name, values in batch.items()}
        for batch in itertools.islice(batches, count)
    ]


def assert_same(one, other) -> None:
    for batch, same in zip(one, other, strict=True):
        assert batch.keys() == same.keys()
        for name, values in batch.items():
            np.testing.assert_array_equal(values, same[name])


@pytest.fixture(scope="module")
def from_the_start(config):
    """Batches of the first three epochs."""
    return taken(data_of(config).training(0), 12)


@settings(max_examples=6)
@given(start=st.integers(0, 11))
def test_training_from_a_step_on_gives_the_batches_that_follow_it(config, from_the_start, start):
    assert_same(taken(data_of(config).training(start), 12 - start), from_the_start[start:])


@pytest.mark.parametrize(("split", "records"), [("test", 24), ("validation[:5]+train[:30]", 35)])
def test_evaluation_has_every_record_of_a_split_once(config, split, records):
    batches, reader = data_of(config).evaluation(split)
    found = taken(batches)
    assert len(reader) == records
    assert {len(batch["label"]) for batch in found} == {16}
    counted = np.concatenate([batch["weight"] for batch in found]) == 1
    labels = np.concatenate([batch["label"] for batch in found])
    np.testing.assert_array_equal(labels[counted], reader.labels())
    images = np.concatenate([batch["image"] for batch in found])[counted]
    assert len({image.tobytes() for image in images}) == records


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_what_is_read_again_and_again_is_decoded_once_and_gives_the_same(
    config, from_the_start, tmp_path, capsys, where
):
    data = data_of(config, cache=where, cache_dir=str(tmp_path))
    splits = ("validation", "validation", "test")
    batches = [taken(data.evaluation(split)[0]) for split in splits]
    for start in (0, 8):
        assert_same(taken(data.training(start), 12 - start), from_the_start[start:])
    lines = capsys.readouterr().out.splitlines()
    names = {"validation": 24, "train": 72}
    assert lines == [
        f"decoding {name} to keep it ({where}): {count} images" for name, count in names.items()
    ]
    for found, split in zip(batches, splits, strict=True):
        assert_same(found, taken(data_of(config).evaluation(split)[0]))


def counted_images(batches) -> set[bytes]:
    """The images that count, of which no two are the same."""
    images = [
        image.tobytes()
        for batch in taken(batches)
        for image, weight in zip(batch["image"], batch["weight"], strict=True)
        if weight
    ]
    assert len(set(images)) == len(images)
    return set(images)


@pytest.mark.parametrize("changes", [{"cache": "none"}, {"cache": "memory"}, {"crop": "resized"}])
def test_what_an_epoch_holds_out_is_evaluated_after_it_and_not_trained_on_in_it(config, changes):
    rotating = {"rotating_validation": 0.25, "pad": 0, "horizontal_flip": False}
    data = data_of(config, **rotating, **changes)
    held_out = [counted_images(data.evaluation("rotating", step)[0]) for step in (3, 4, 6, 9)]
    assert [len(images) for images in held_out] == [18] * 4
    assert held_out[1] == held_out[2]  # within the second epoch as at its end
    whole = counted_images(data.evaluation("train")[0])
    assert len(whole) == 72
    for images in held_out:
        assert images < whole
    if "crop" not in changes:
        for epoch, images in enumerate([held_out[0], *held_out[2:]]):
            batches = taken(data.training(3 * epoch), 3)
            trained = {image.tobytes() for batch in batches for image in batch["image"]}
            assert len(trained) == 48
            assert trained < whole - images


def test_resized_crops_decode_another_part_each_time_and_are_not_cached(config, capsys):
    data = data_of(config, cache="auto", crop="resized", pad=0)
    taken(data.training(0), 1)
    assert capsys.readouterr().out == ""


def test_a_damaged_record_is_passed_over_where_it_may_be(config, prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "data")
    shard = next(folder.glob("*-test.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 0xFF
    shard.write_bytes(content)
    batches, reader = data_of(config, data_dir=str(folder), on_bad_record="skip").evaluation("test")
    assert sum(batch["weight"].sum() for batch in taken(batches)) == 23
    assert len(reader.bad) == 1
    batches, reader = data_of(config, data_dir=str(folder), on_bad_record="stop").evaluation("test")
    with pytest.raises(UserError, match="is damaged"), read_records.reader_errors(reader):
        taken(batches)


def test_classes_weigh_by_what_is_trained_on_of_them(config):
    assert data_of(config).class_weights() is None
    data = data_of(config, class_weights="balanced", train_split="train[:20]")
    counts = np.bincount(data.reader.labels(), minlength=3)
    assert len(set(counts)) > 1
    weights = data.class_weights()
    assert weights is not None
    np.testing.assert_allclose(weights, counts.max() / counts)
    config = with_values(config, class_weights="balanced")
    card = dataset_dir.read_card(config.data.data_dir)
    card.classes.append("none")
    for part in card.splits.values():
        part.per_class.append(0)
    data = Data(config, card, tf.distribute.get_strategy(), TrainingProgress(9))
    assert data.class_weights()[3] == 0


def test_a_mean_image_is_taken_from_the_run_directory_or_made_of_what_is_trained_on(
    config, tmp_path
):
    assert data_of(config).mean_image(str(tmp_path)) is None
    config = with_values(config, normalization="mean_image", train_split="train[:20]")
    batches, _ = data_of(config).evaluation("train[:20]")
    images = np.concatenate([batch["image"] for batch in taken(batches)])[:20]
    expected = images.mean(0, dtype=np.float64)
    found = data_of(config).mean_image(str(tmp_path))
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    other = with_values(config, train_split="train")
    stored = np.full((8, 8, 1), 7, np.float32)
    run_dir.make(str(tmp_path), run_config.to_json(other), "", stored)
    np.testing.assert_array_equal(data_of(other).mean_image(str(tmp_path)), stored)
    np.testing.assert_array_equal(data_of(config).mean_image(str(tmp_path)), found)


def test_a_sample_is_of_what_is_trained_on_and_hangs_on_no_other_flag(config, monkeypatch):
    def sample(**changes) -> np.ndarray:
        return np.concatenate(list(data_of(config, **changes).sample()))

    batches, _ = data_of(config).evaluation("train")
    images = np.concatenate([batch["image"] for batch in taken(batches)])[:72]
    np.testing.assert_array_equal(sample(), images)
    np.testing.assert_array_equal(sample(train_split="train[:20]"), images[:20])
    monkeypatch.setattr(run_data, "_SAMPLE_RECORDS", 100)
    monkeypatch.setattr(run_data, "_SAMPLE_BATCH", 7)
    other = {"batch_size": 9, "lanes": 3, "seed": 5, "cache": "memory", "crop": "resized", "pad": 0}
    np.testing.assert_array_equal(sample(**other), images)


def test_a_sample_of_a_large_split_is_spread_over_it(config, monkeypatch):
    """And no more is read than is asked for."""
    monkeypatch.setattr(run_data, "_SAMPLE_RECORDS", 4)
    monkeypatch.setattr(run_data, "_SAMPLE_BATCH", 3)
    monkeypatch.setattr(
        run_data.even_sample,
        "record_indices",
        functools.partial(even_sample.record_indices, run=2),
    )
    batches, _ = data_of(config).evaluation("train")
    images = np.concatenate([batch["image"] for batch in taken(batches)])
    first, second = data_of(config).sample()
    np.testing.assert_array_equal(first, images[[0, 1, 70]])
    np.testing.assert_array_equal(second, images[[71]])


def test_a_damaged_record_of_a_sample_is_named_or_left_out(config, prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "data")
    shard = next(folder.glob("*-train.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 0xFF
    shard.write_bytes(content)
    skipping = data_of(config, data_dir=str(folder), on_bad_record="skip")
    assert sum(map(len, skipping.sample())) == 71
    with pytest.raises(UserError, match="is damaged"):
        list(data_of(config, data_dir=str(folder), on_bad_record="stop").sample())


def test_the_mean_image_is_that_of_what_is_trained_on_now(prepared, tmp_path):
    asked = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"]
    finished = run_program(*asked, "--normalization=mean_image", "--steps=1")
    assert finished.returncode == 0, finished.stderr
    before = run_dir.read_mean_image(str(tmp_path / "run"))
    go_on(tmp_path / "run", steps=2)
    np.testing.assert_array_equal(run_dir.read_mean_image(str(tmp_path / "run")), before)
    go_on(tmp_path / "run", allow_changes=True, steps=3, train_split="train[:20]")
    after = run_dir.read_mean_image(str(tmp_path / "run"))
    assert before is not None and after is not None
    assert np.abs(after - before).max() > 1
