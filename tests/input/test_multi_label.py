"""Batches of a dataset whose images have several classes: each image comes with its own."""

import shutil

import numpy as np
import pytest

from headrace.errors import UsageError, UserError
from input import stream
from input.augment.config import Augmentation
from input.dataset import dataset_dir, record_files, tfrecord
from input.dataset.reader import BadRecordError, Reader
from input.loading import decoded_cache
from input.preprocessing.spec import Preprocessing
from input.sampling import class_sampling
from input.sampling.order import Order
from tests.beam_pipelines.jobs import prepare, write_listing
from tests.beam_pipelines.multi_label import CLASSES, multi_hot, rows, write_source

VIEW = Preprocessing((8, 8))
ORDER = Order(48, 16, 4, seed=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The directory of 48 training records; the weight of each tells which image it is."""
    folder = tmp_path_factory.mktemp("multi_label")
    classes = write_source(folder / "source")
    listed = [{**row, "weight": number} for number, row in enumerate(rows(classes))]
    prepare(
        write_listing(folder / "source", listed), folder / "data", splits="train:1", encoding="raw"
    )
    return folder / "data", np.array([multi_hot(names) for names in classes.values()])


def open_reader(folder) -> Reader:
    return Reader(str(folder), dataset_dir.read_card(str(folder)), "train")


def batches(dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(dataset.take(count).as_numpy_iterator())


def assert_labels(found: list[dict[str, np.ndarray]], expected: np.ndarray) -> None:
    for batch in found:
        assert batch["label"].dtype == np.uint8
        np.testing.assert_array_equal(batch["label"], expected[batch["weight"].astype(int)])


@pytest.mark.parametrize("crop", ["none", "random", "resized"])
@pytest.mark.parametrize("where", ["none", "memory", "disk"])
def test_training_images_come_with_all_their_classes(data, tmp_path, crop, where):
    folder, expected = data
    reader = open_reader(folder)
    cache = None if where == "none" else decoded_cache.build_cache(reader, VIEW, where, tmp_path)
    found = batches(
        stream.training(
            reader, ORDER, VIEW, augmentation=Augmentation(crop=crop), decoded_cache=cache
        ),
        3,
    )
    assert_labels(found, expected)
    assert sorted(np.concatenate([batch["weight"] for batch in found])) == list(range(48))


@pytest.mark.parametrize("mix", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_a_mixed_image_has_the_classes_of_both(data, mix):
    folder, expected = data
    augmentation = Augmentation(**mix)
    (whole,) = batches(
        stream.training(open_reader(folder), ORDER, VIEW, augmentation=augmentation), 1
    )
    assert_labels([whole], expected)
    lanes = whole["label"].reshape(4, 4, len(CLASSES))
    np.testing.assert_array_equal(
        whole["other_label"], np.roll(lanes, -1, 1).reshape(16, len(CLASSES))
    )
    parts = [
        batches(
            stream.training(
                open_reader(folder),
                ORDER,
                VIEW,
                augmentation=augmentation,
                pipeline=pipeline,
                pipelines=2,
            ),
            1,
        )[0]
        for pipeline in range(2)
    ]
    for name in ("label", "other_label", "share"):
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])


def test_evaluation_gives_every_record_its_classes_once(data, tmp_path):
    folder, _ = data
    reader = open_reader(folder)
    labels = reader.labels()
    assert labels.dtype == np.bool_
    for cache in (None, decoded_cache.build_cache(reader, VIEW, "memory")):
        found = batches(stream.evaluation(reader, VIEW, batch_size=10, decoded_cache=cache), 6)
        label, weight = (np.concatenate([batch[n] for batch in found]) for n in ("label", "weight"))
        assert label.dtype == np.uint8
        np.testing.assert_array_equal(label[weight > 0], labels)


def test_slices_of_splits_have_their_labels(data):
    folder, _ = data
    card = dataset_dir.read_card(str(folder))
    whole = open_reader(folder).labels()
    part = Reader(str(folder), card, "train[10:30]")
    np.testing.assert_array_equal(part.labels(), whole[10:30])
    np.testing.assert_array_equal(part.read(np.arange(20)).label, whole[10:30])


@pytest.mark.parametrize("sampling", sorted(class_sampling.BATCHES))
def test_batches_by_class_are_refused_with_the_remedy(data, sampling):
    order = Order(48, 16, 4, seed=3, sampling=sampling)
    with pytest.raises(
        UsageError, match=rf"`batch_sampling`={sampling} .*`class_weights`=balanced"
    ):
        stream.training(open_reader(data[0]), order, VIEW)


def test_a_record_with_a_label_of_no_class_is_damaged(data, tmp_path):
    folder = shutil.copytree(data[0], tmp_path / "data")
    card = dataset_dir.read_card(str(folder))
    shard = folder / card.splits["train"].shards[0].file
    content = bytearray(shard.read_bytes())
    starts = record_files.read_index(str(folder), card, "train").astype(int)
    labels = open_reader(folder).labels()
    number = int(np.flatnonzero(labels.sum(1) == 1)[0])  # a record of one class
    frame = content[starts[number] : starts[number + 1]]
    index = int(np.flatnonzero(labels[number])[0])
    stored = bytes([0x1A, 0x03, 0x0A, 0x01, index])  # an int64 list of this one value
    record = tfrecord.unframe(bytes(frame))
    assert record.count(stored) == 1
    content[starts[number] : starts[number + 1]] = tfrecord.frame(
        record.replace(stored, stored[:-1] + bytes([4]))
    )
    shard.write_bytes(content)
    with pytest.raises(BadRecordError, match="it has a label of no class"):
        open_reader(folder).read(np.array([number]))


def test_class_weights_are_those_of_the_images_that_have_a_class(data):
    _, expected = data
    counts = expected.sum(0)
    weights = class_sampling.class_weights(expected.astype(bool), len(CLASSES))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, counts.max() / counts, rtol=1e-6)
    none = class_sampling.class_weights(np.array([[1, 0], [1, 0]], bool), 2)
    assert none.tolist() == [1, 0]


def test_a_card_of_format_3_is_of_one_label_an_image(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "data")
    card = (folder / "card.json").read_text()
    changed = card.replace('"format": 4', '"format": 3').replace('  "multi_label": false,\n', "")
    assert changed.count("multi_label") == 0 and changed != card
    (folder / "card.json").write_text(changed)
    read = dataset_dir.read_card(str(folder))
    assert not read.multi_label
    reader = Reader(str(folder), read, "train")
    assert reader.labels().shape == (72,)
    (folder / "card.json").write_text(changed.replace('"format": 3', '"format": 2'))
    with pytest.raises(UserError, match="is of format 2, this Headrace reads formats 3 and 4"):
        dataset_dir.read_card(str(folder))
