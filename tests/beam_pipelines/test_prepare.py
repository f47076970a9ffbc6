"""The program: what it writes, that it does not depend on how it is run, and what it refuses."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from beam_pipelines import job, resizing, write
from headrace import UsageError, UserError
from input import dataset_dir
from tests.beam_pipelines.jobs import everything, prepare
from tests.conftest import ROOT, assert_one_line_error, run_program, write_images


@pytest.fixture
def source(tmp_path):
    write_images(tmp_path / "source", {"dark": 12, "light": 18})
    return tmp_path / "source"


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


@pytest.mark.parametrize("kind", ["hdf5", "tfds"])
def test_containers_may_be_prepared_into_a_relative_folder(prepared, tmp_path, kind):
    if kind == "hdf5":
        with h5py.File(tmp_path / "source", "w") as file:
            file["images"] = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8) // 2
            file["images"][:, 0, 0] = np.arange(40)
            file["labels"] = np.arange(40) % 2
    else:
        (tmp_path / "source").symlink_to(prepared)
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "beam_pipelines.prepare"),
            *(f"--source={kind}:source", "--output_dir=out/data"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "report: out/data/report.html" in finished.stdout
    card = dataset_dir.read_card(str(tmp_path / "out/data"))
    assert sum(split.records for split in card.splits.values()) in (40, 120)


def test_folders_may_be_named_like_patterns(source, tmp_path):
    source = source.rename(tmp_path / "photos [1]*")
    card = prepare(source, tmp_path / "data [1]")
    assert sum(split.records for split in card.splits.values()) == 30


def test_bare_pixels_of_unequal_sizes_can_be_read(tmp_path):
    write_images(tmp_path / "source", {"dark": 6, "light": 6})
    write_images(tmp_path / "source" / "dark", {"wide": 6}, size=(4, 12), seed=1)
    prepare(tmp_path / "source", tmp_path / "data", encoding="raw")
    builder = tfds.builder_from_directory(str(tmp_path / "data"))
    for example in builder.as_dataset(split="train+test"):
        pixels = tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), example["shape"])
        given = np.asarray(Image.open(tmp_path / "source" / example["file_name"].numpy().decode()))
        np.testing.assert_array_equal(pixels[..., 0], given)


def test_the_card_tells_the_truth(source, tmp_path):
    card = prepare(source, tmp_path / "data", shard_mb=1)
    read = dataset_dir.read_card(str(tmp_path / "data"))
    assert read == card
    assert [split.per_class for split in read.splits.values()] == [[7, 11], [5, 7]]
    pixels = []
    for name, split in read.splits.items():
        index = dataset_dir.read_index(str(tmp_path / "data"), read, name)
        labels = dataset_dir.read_labels(str(tmp_path / "data"), read, name)
        position = 0
        for shard in split.shards:
            content = (tmp_path / "data" / shard.file).read_bytes()
            assert hashlib.sha256(content).hexdigest() == shard.sha256
            assert len(content) == shard.bytes
            records = list(tf.data.TFRecordDataset(str(tmp_path / "data" / shard.file)))
            assert len(records) == shard.records
            for record in records:
                offset = int(index[position])
                assert content[offset + 12 :].startswith(record.numpy())
                feature = tf.train.Example.FromString(record.numpy()).features.feature
                assert feature["label"].int64_list.value == [labels[position]]
                position += 1
                if name == "train":
                    file = feature["file_name"].bytes_list.value[0].decode()
                    pixels.append(np.asarray(Image.open(source / file), np.float64))
    assert read.mean == pytest.approx([np.mean(pixels)], rel=1e-12)
    assert read.std == pytest.approx([np.std(pixels)], rel=1e-12)
    assert read.uniform_size == (8, 8)
    assert "report.html" in os.listdir(tmp_path / "data")


def test_the_card_says_which_fractions_the_default_was(source, tmp_path):
    card = prepare(source, tmp_path / "data", splits="")
    assert card.split_fractions == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert [split.records for split in card.splits.values()] == [24, 3, 3]


def test_grey_images_among_colour_count_in_all_channels(tmp_path):
    write_images(tmp_path / "source", {"grey": 4, "colour": 4})
    red = np.zeros((8, 8, 3), np.uint8)
    for number in range(4):
        red[..., 0] = 250 + number
        Image.fromarray(red).save(tmp_path / "source/colour" / f"{number:03d}.png")
    card = prepare(tmp_path / "source", tmp_path / "data", splits="train:1")
    grey = [np.asarray(Image.open(p)) for p in (tmp_path / "source/grey").iterdir()]
    assert card.channels == 3
    expected = [(np.mean(grey) + r) / 2 for r in (251.5, 0, 0)]
    assert card.mean == pytest.approx(expected)


def test_bytes_do_not_depend_on_engine_workers_or_listing(source, tmp_path):
    alone = prepare(source, tmp_path / "alone")
    two = prepare(
        source,
        tmp_path / "two",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
    )
    moved = tmp_path / "moved"
    for name in sorted((p.name for p in source.iterdir()), reverse=True):
        (moved / name).mkdir(parents=True)
        for path in sorted((source / name).iterdir(), reverse=True):
            (moved / name / path.name).write_bytes(path.read_bytes())
    again = prepare(moved, tmp_path / "again")
    assert alone.fingerprint == two.fingerprint == again.fingerprint
    assert everything(tmp_path / "alone") == everything(tmp_path / "two")
    assert alone.source["fingerprint"] == again.source["fingerprint"]
    assert prepare(source, tmp_path / "seed", seed=1).fingerprint != alone.fingerprint


def test_predefined_splits_are_kept(tmp_path):
    for number, split in enumerate(("train", "test", "val")):
        write_images(tmp_path / "source" / split, {"dark": 10, "light": 10}, seed=number)
    card = prepare(tmp_path / "source", tmp_path / "data", splits="")
    assert {name: split.records for name, split in card.splits.items()} == {
        "train": 20,
        "validation": 20,
        "test": 20,
    }
    for example in tfds.builder_from_directory(str(tmp_path / "data")).as_dataset(split="test"):
        assert example["file_name"].numpy().startswith(b"test/")


def test_a_validation_split_can_be_cut_from_a_predefined_train(tmp_path):
    for number, split in enumerate(("train", "test")):
        write_images(tmp_path / "source" / split, {"dark": 10, "light": 10}, seed=number)
    splits = "train:0.8,validation:0.2"
    card = prepare(tmp_path / "source", tmp_path / "data", splits=splits)
    assert [split.per_class for split in card.splits.values()] == [[8, 8], [2, 2], [10, 10]]
    with pytest.raises(UsageError, match="'test'"):
        prepare(tmp_path / "source", tmp_path / "other")  # asks for a split test of its own
    assert not (tmp_path / "other").exists()


def test_the_report_shows_training_images_whichever_split_comes_first(source, tmp_path):
    prepare(source, tmp_path / "data", splits="test:0.4,train:0.6")
    shown = set(re.findall(r'alt="([^"]+)"', (tmp_path / "data/report.html").read_text()))
    training = tfds.builder_from_directory(str(tmp_path / "data")).as_dataset(split="train")
    assert shown
    assert shown <= {example["file_name"].numpy().decode() for example in training}


def test_bad_files_are_set_aside_with_reasons(source, tmp_path):
    (source / "dark" / "notes.png").write_text("no image")
    whole = (source / "light" / "000.png").read_bytes()
    (source / "light" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (source / "light" / ".hidden").write_text("passed over")
    card = prepare(source, tmp_path / "data", max_bad_fraction=0.1)
    lines = (tmp_path / "data/quarantine.jsonl").read_text().splitlines()
    found = {row["path"]: row["reason"] for row in map(json.loads, lines)}
    assert found == {"dark/notes.png": "not_an_image", "light/cut.png": "truncated"}
    assert sum(split.records for split in card.splits.values()) == 30
    assert (card.source["images"], card.source["quarantined"]) == (32, 2)
    assert "light/cut.png" in (tmp_path / "data/report.html").read_text()


@pytest.mark.parametrize(
    ("name", "size", "how"),
    [
        ("long.png", (66_000, 1), {"encoding": "jpeg"}),
        ("long.jpg", (33_000, 1), {"resize": resizing.Resize(short_side=2)}),
    ],
)
def test_an_image_longer_than_a_jpeg_can_be_is_set_aside(source, tmp_path, name, size, how):
    Image.new("L", size, 9).save(source / "dark" / name)
    prepare(source, tmp_path / "data", max_bad_fraction=0.1, **how)
    (row,) = map(json.loads, (tmp_path / "data/quarantine.jsonl").read_text().splitlines())
    assert (row["path"], row["reason"]) == (f"dark/{name}", "too_large")
    assert "66000 x" in row["detail"]


def test_too_many_bad_files_fail_the_job_and_leave_no_card(source, tmp_path):
    (source / "dark" / "notes.png").write_text("no image")
    finished = run_program(
        "beam_pipelines.prepare", f"--source=folder:{source}", f"--output_dir={tmp_path / 'data'}"
    )
    assert_one_line_error(
        finished, 1, "1 of 31 files", "dark/notes.png", "not_an_image", "--max_bad_fraction"
    )
    assert "notes.png" in (tmp_path / "data/quarantine.jsonl").read_text()
    with pytest.raises(UserError, match="no finished dataset"):
        dataset_dir.read_card(str(tmp_path / "data"))


def test_a_class_of_which_nothing_is_left_fails_the_job(source, tmp_path):
    (source / "notes").mkdir()
    (source / "notes" / "todo.txt").write_text("no image")
    with pytest.raises(UserError, match=r"class 'notes' of .* has no sound image"):
        prepare(source, tmp_path / "data", max_bad_fraction=1)


def test_a_truncated_jpeg_fails_a_small_job(source, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = source / "dark" / "photo.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"dark/photo\.jpg \(truncated"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


def make_missing(folder):
    return folder / "nowhere"


def make_empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def make_class_without_image(folder):
    write_images(folder / "gap", {"dark": 3, "light": 3})
    (folder / "gap" / "void").mkdir()
    return folder / "gap"


def make_one_class(folder):
    write_images(folder / "one", {"dark": 3})
    return folder / "one"


def make_files_beside_classes(folder):
    write_images(folder / "mixed", {"dark": 3, "light": 3})
    (folder / "mixed" / "a.png").write_bytes(b"")
    return folder / "mixed"


def make_unequal_splits(folder):
    write_images(folder / "unequal" / "train", {"dark": 3, "light": 3})
    write_images(folder / "unequal" / "test", {"dark": 3, "bright": 3})
    return folder / "unequal"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_missing, "nowhere is no folder"),
        (make_empty, "has no class folders"),
        (make_class_without_image, "void has no image"),
        (make_one_class, "one class only"),
        (make_files_beside_classes, r"beside its class folders \(a.png\)"),
        (make_unequal_splits, "'bright' is in only one of train and test"),
    ],
)
def test_a_source_that_is_no_dataset_is_refused(tmp_path, make, words):
    with pytest.raises(UserError, match=words):
        prepare(make(tmp_path), tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--splits=train:0.5,test:0.4"], ["--splits", "sum to 0.9"]),
        (["--name=Cats-And-Dogs"], ["--name=Cats-And-Dogs"]),
        (["--encoding=gif"], ["--encoding=gif", "keep|jpeg"]),
        (["--splitz=train:1"], ["--splitz", "neither Headrace's nor Beam's"]),
        (["--source=zip:x"], ["--source=zip:x", "KIND:PATH"]),
        (["--max_bad_fraction=2"], ["--max_bad_fraction"]),
        (["--max_bad_fraction=nan"], ["--max_bad_fraction=nan", "from 0 to 1"]),
        ([f"--name={'a' * 101}"], ["--name=aaa", "100"]),
        (["--source=folder:caf\udce9"], ["--source=folder:caf", "no UTF-8"]),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(source, tmp_path, flags, words):
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{source}",
        f"--output_dir={tmp_path / 'data'}",
        *flags,
    )
    assert_one_line_error(finished, 2, *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("照片", "images"), ("2024 Ürlaub", "images_2024_rlaub"), ("a" * 200, "a" * 100)],
)
def test_a_folder_of_any_name_gives_the_dataset_one(tmp_path, folder, name):
    write_images(tmp_path / folder, {"dark": 12, "light": 18})
    finished = run_program(
        "beam_pipelines.prepare",
        *(f"--source=folder:{tmp_path / folder}", f"--output_dir={tmp_path / 'data'}"),
    )
    assert finished.returncode == 0, finished.stderr
    assert dataset_dir.read_card(str(tmp_path / "data")).name == name


def test_a_required_flag_is_named(tmp_path):
    finished = run_program("beam_pipelines.prepare", f"--output_dir={tmp_path}")
    assert_one_line_error(finished, 2, "--source is required")


def test_a_split_without_images_is_refused(source, tmp_path):
    with pytest.raises(UserError, match=r"'test' of .* would have no image"):
        prepare(source, tmp_path / "data", splits="train:0.99,test:0.01")


def test_a_finished_dataset_is_replaced_only_on_request(source, tmp_path):
    first = prepare(source, tmp_path / "data")
    before = everything(tmp_path / "data")
    with pytest.raises(UserError, match="--overwrite"):
        prepare(source, tmp_path / "data", seed=1)
    assert everything(tmp_path / "data") == before
    second = prepare(source, tmp_path / "data", seed=1, overwrite=True)
    assert second.fingerprint != first.fingerprint
    assert dataset_dir.read_card(str(tmp_path / "data")) == second


@pytest.mark.parametrize(
    "name", ["thesis.txt", "other-train.tfrecord-00000-of-00001", "other-train.labels"]
)
def test_a_folder_with_other_files_is_left_alone(source, tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    with pytest.raises(UserError, match=f"holds other files .{name}"):
        prepare(source, tmp_path / "mine")
    assert everything(tmp_path / "mine") == {name: b"precious"}


@pytest.mark.parametrize("below", ["", "/out", "/dark/out"])
def test_a_dataset_is_not_written_among_its_own_images(source, tmp_path, below):
    before = everything(source)
    (tmp_path / "link").symlink_to(source)
    for given in (source, tmp_path / "link"):
        with pytest.raises(UsageError, match=r"--output_dir=.* lies in the source"):
            prepare(source, f"{given}{below}")
        with pytest.raises(UsageError, match=r"--output_dir=.* lies in the source"):
            prepare(f"filename:{source}", f"{given}{below}", class_pattern="(.)")
    assert everything(source) == before


def test_a_dataset_does_not_replace_the_one_it_is_made_from(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "data")
    before = everything(tmp_path / "data")
    with pytest.raises(UsageError, match=r"--output_dir=.* lies in the source"):
        prepare(f"tfds:{tmp_path / 'data'}", tmp_path / "data", splits="", overwrite=True)
    assert everything(tmp_path / "data") == before


def test_a_listing_may_lie_beside_the_output(source, tmp_path):
    rows = [f"{path},{path.parent.name}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    card = prepare(f"listing:{tmp_path / 'all.csv'}", tmp_path / "data")
    assert card.source["images"] == 30


def test_an_output_folder_that_cannot_be_written_is_named(source):
    with pytest.raises(UserError, match=r"--output_dir=/proc/data cannot be written"):
        prepare(source, "/proc/data")  # no one may make a folder there, root neither


def test_a_second_job_stays_out_of_a_folder_that_one_is_writing_to(source, tmp_path, monkeypatch):
    whole = prepare(source, tmp_path / "whole")
    plan = job.plan.run

    def start_another_then_plan(*arguments):
        finished = run_program(
            "beam_pipelines.prepare",
            *(f"--source=folder:{source}", f"--output_dir={tmp_path / 'data'}", "--overwrite"),
        )
        assert_one_line_error(finished, 1, "--output_dir", "another job is writing to it")
        return plan(*arguments)

    monkeypatch.setattr(job.plan, "run", start_another_then_plan)
    assert prepare(source, tmp_path / "data").fingerprint == whole.fingerprint
    assert everything(tmp_path / "data").keys() == everything(tmp_path / "whole").keys()


def test_a_dataset_that_was_finished_meanwhile_is_not_replaced(source, tmp_path, monkeypatch):
    check = job._check

    def check_then_finish_another(*arguments):
        check(*arguments)
        monkeypatch.setattr(job, "_check", check)
        prepare(source, tmp_path / "data", seed=1)

    monkeypatch.setattr(job, "_check", check_then_finish_another)
    with pytest.raises(UserError, match="holds a finished dataset"):
        prepare(source, tmp_path / "data")
    assert dataset_dir.read_card(str(tmp_path / "data")).seed == 1


def test_an_unfinished_job_is_replaced_but_not_files_put_beside_it(source, tmp_path):
    (tmp_path / "data" / ".work").mkdir(parents=True)
    (tmp_path / "data" / "shades-train.tfrecord-00000-of-00009").write_text("half")
    (tmp_path / "data" / "shades-fold_0.index").write_text("old")
    (tmp_path / "data" / "shades-fold_0.labels").write_text("old")
    (tmp_path / "data" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        prepare(source, tmp_path / "data")
    (tmp_path / "data" / "thesis.txt").unlink()
    prepare(source, tmp_path / "data")
    assert not list((tmp_path / "data").glob("*-of-00009"))
    assert not list((tmp_path / "data").glob("*-fold_0.*"))


def test_an_image_that_changes_between_the_phases_is_noticed(source, tmp_path, monkeypatch):
    plan = job.plan.run

    def change_then_plan(*arguments):
        Image.new("L", (8, 8), 77).save(source / "light" / "003.png")
        return plan(*arguments)

    monkeypatch.setattr(job.plan, "run", change_then_plan)
    with pytest.raises(UserError, match=r"light/003\.png changed"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


def test_a_shard_that_two_workers_write_at_once_is_whole(source, tmp_path, monkeypatch):
    once = prepare(source, tmp_path / "once")
    record, begun = write._record, []

    def let_another_overtake(config, root, task, planned):
        if task not in begun:
            begun.append(task)
            write.run_task(config, root, f"{config.output_dir}/.work", task)
        return record(config, root, task, planned)

    monkeypatch.setattr(write, "_record", let_another_overtake)
    twice = prepare(source, tmp_path / "twice")
    assert begun
    assert twice == once
    assert everything(tmp_path / "twice") == everything(tmp_path / "once")


def test_a_killed_job_leaves_no_card_and_the_next_writes_the_same_bytes(tmp_path):
    write_images(tmp_path / "source", {"dark": 400, "light": 400}, size=(64, 64))
    whole = prepare(tmp_path / "source", tmp_path / "whole")
    arguments = [
        f"--source=folder:{tmp_path / 'source'}",
        f"--output_dir={tmp_path / 'data'}",
        "--name=shades",
        "--splits=train:0.6,test:0.4",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "beam_pipelines.prepare", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "data").glob(".work/scan-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(UserError, match="no finished dataset"):
        dataset_dir.read_card(str(tmp_path / "data"))
    assert run_program("beam_pipelines.prepare", *arguments).returncode == 0
    assert dataset_dir.read_card(str(tmp_path / "data")).fingerprint == whole.fingerprint
    assert not (tmp_path / "data/.work").exists()
