"""What is kept is what the stream decodes, in memory or on disk: batches stay the same."""

import itertools
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from headrace.errors import UserError
from input import stream
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.loading import cache_policy, decoded_cache
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order
from tests.beam_pipelines.jobs import prepare
from tests.conftest import ROOT, write_images

VIEW = Preprocessing((6, 6), resize_to=(8, 7))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> pathlib.Path:
    """47 training records, as PNG files."""
    folder = tmp_path_factory.mktemp("kept")
    write_images(folder / "source", {"dark": 20, "light": 27}, size=(9, 12))
    prepare(folder / "source", folder / "data", splits="train:1")
    return folder / "data"


def reader(data_dir, skips=False) -> Reader:
    return Reader(str(data_dir), dataset_dir.read_card(str(data_dir)), "train", skips)


def assert_same(one: tf.data.Dataset, other: tf.data.Dataset, count: int) -> None:
    pairs = zip(one.take(count), other.take(count), strict=True)
    for number, (batch, same) in enumerate(pairs):
        assert set(batch) == set(same)
        for name, value in batch.items():
            np.testing.assert_array_equal(value, same[name], err_msg=f"{name} of batch {number}")


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("crop", ["none", "random"])
def test_batches_are_the_same_as_without(data, tmp_path, where, crop):
    records, order = reader(data), Order(47, 8, 4, seed=2)
    found = decoded_cache.build_cache(records, VIEW, where, str(tmp_path))
    varied: dict[str, Any] = {"augmentation": Augmentation(crop=crop, horizontal_flip=True)}
    for options in (varied | {"start_step": 3}, varied | {"pipeline": 1, "pipelines": 2}):
        assert_same(
            stream.training(records, order, VIEW, decoded_cache=found, **options),
            stream.training(records, order, VIEW, **options),
            count=8,
        )
    for crops in (1, 10):
        options = {"batch_size": 10, "crops": crops}
        assert_same(
            stream.evaluation(records, VIEW, decoded_cache=found, **options),
            stream.evaluation(records, VIEW, **options),
            count=9,
        )


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_resized_crops_of_bare_pixels_are_the_same_as_without(tmp_path, where):
    write_images(tmp_path / "source", {"dark": 9, "light": 9}, size=(9, 12))
    prepare(tmp_path / "source", tmp_path / "data", splits="train:1", encoding="raw")
    records, asked = reader(tmp_path / "data"), Augmentation(crop="resized")
    whole = cache_policy.cacheable_preprocessing(records.card, Preprocessing((6, 6)), "resized")
    assert whole == Preprocessing((9, 12))
    options: dict[str, Any] = {
        "order": Order(18, 6, 2, seed=2),
        "preprocessing": Preprocessing((6, 6)),
        "augmentation": asked,
    }
    found = decoded_cache.build_cache(records, whole, where, str(tmp_path / "cache"))
    assert_same(
        stream.training(records, decoded_cache=found, **options),
        stream.training(records, **options),
        6,
    )


def test_a_split_kept_on_disk_is_not_read_again(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "data")
    first = decoded_cache.build_cache(reader(copy), VIEW, "disk", str(tmp_path / "cache")).batch(
        tf.range(47)
    )
    records = reader(copy)
    done: list[int] = []
    for shard in copy.glob("*.tfrecord*"):
        shard.unlink()
    again = decoded_cache.build_cache(records, VIEW, "disk", str(tmp_path / "cache"), done.append)
    for name, value in again.batch(tf.range(47)).items():
        np.testing.assert_array_equal(value, first[name])
    assert sum(done) == 47


@pytest.mark.parametrize("name", ["image.npy", "label.npy"])
@pytest.mark.parametrize(
    "damage",
    [
        pathlib.Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"noise" * 100),
        lambda path: np.save(path, np.zeros(46, np.int64)),
    ],
    ids=["gone", "cut", "empty", "noise", "other"],
)
def test_a_split_whose_files_on_disk_are_damaged_is_decoded_again(data, tmp_path, damage, name):
    def labels_and_images() -> list[np.ndarray]:
        batch = decoded_cache.build_cache(reader(data), VIEW, "disk", str(tmp_path)).batch(
            tf.range(47)
        )
        return [batch["label"].numpy(), batch["image"].numpy()]

    before = labels_and_images()
    (home,) = tmp_path.iterdir()
    damage(home / name)
    for value, same in zip(labels_and_images(), before, strict=True):
        np.testing.assert_array_equal(value, same)
    assert list(tmp_path.iterdir()) == [home]


def test_another_size_is_kept_apart(data, tmp_path):
    for preprocessing in (VIEW, Preprocessing((6, 6)), Preprocessing((6, 6), resize="squash")):
        decoded_cache.build_cache(reader(data), preprocessing, "disk", str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 3


def test_progress_counts_every_record(data):
    done: list[int] = []
    decoded_cache.build_cache(reader(data), VIEW, "memory", advance=done.append)
    assert sum(done) == 47


def test_a_bad_record_is_named_and_leaves_nothing_behind(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "data")
    shard = next(copy.glob("*.tfrecord*"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"record 46 of .* is damaged"):
        decoded_cache.build_cache(reader(copy), VIEW, "disk", str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())
    for _ in range(2):  # the second time, too: what was kept would hide it
        records = reader(copy, skips=True)
        found = decoded_cache.build_cache(records, VIEW, "disk", str(tmp_path / "cache"))
        assert len(records.bad) == 1
        assert found.batch(tf.range(47))["good"].numpy().tolist() == [True] * 46 + [False]


def test_the_next_start_clears_what_a_killed_one_left(data, tmp_path):
    script = (
        "import sys\n"
        "from input.dataset import dataset_dir\n"
        "from input.dataset.reader import Reader\n"
        "from input.loading import decoded_cache\n"
        "from input.preprocessing.spec import Preprocessing\n"
        "def wait(records): print('decoded', flush=True), sys.stdin.readline()\n"
        "reader = Reader(sys.argv[1], dataset_dir.read_card(sys.argv[1]), 'train')\n"
        "decoded_cache.build_cache(reader, Preprocessing((5, 5)), 'disk', sys.argv[2], wait)\n"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", script, str(data), str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == "decoded\n"
    decoded_cache.build_cache(reader(data), VIEW, "disk", str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2  # what the living process writes stays
    killed.kill()
    killed.communicate(timeout=60)
    decoded_cache.build_cache(
        reader(data), VIEW, "disk", str(tmp_path)
    )  # found, so nothing is written
    (folder,) = tmp_path.iterdir()
    assert not folder.name.startswith(".")


def test_a_full_disk_is_said_in_one_line(data):
    script = (
        "import resource, sys\n"
        "from input.dataset import dataset_dir\n"
        "from input.dataset.reader import Reader\n"
        "from input.loading import decoded_cache\n"
        "from input.preprocessing.spec import Preprocessing\n"
        "import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "reader = Reader(sys.argv[1], dataset_dir.read_card(sys.argv[1]), 'train')\n"
        "try: decoded_cache.build_cache(reader, Preprocessing((8, 8)), 'disk', sys.argv[2])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    folder = data.parent / "small"
    finished = subprocess.run(
        [sys.executable, "-c", script, str(data), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.stdout.startswith("UserError `cache`=disk: "), finished.stderr
    assert "cannot be written" in finished.stdout
    assert not list(folder.iterdir())


def test_every_batch_of_a_long_stream_comes_from_what_is_kept(data):
    found = decoded_cache.build_cache(reader(data), Preprocessing((8, 8)), "memory")
    order = Order(47, 16, 8, seed=5)
    seen = stream.training(
        reader(data), order, Preprocessing((8, 8)), decoded_cache=found
    ).as_numpy_iterator()
    labels = np.concatenate([batch["label"] for batch in itertools.islice(seen, 200)])
    assert abs(labels.mean() - 27 / 47) < 0.02
