"""What the program writes, whatever the source, and that it does not depend on how it is run."""

import hashlib
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headrace.errors import UserError
from input.dataset import dataset_dir, record_files
from tests.beam_pipelines.image_files import image_bytes, photo
from tests.beam_pipelines.jobs import (
    file_contents,
    names_in_order,
    prepare,
    quarantine_reasons,
    write_listing,
)
from tests.conftest import ROOT, assert_one_line_error, run_program


def test_the_card_tells_the_truth(source, tmp_path):
    card = prepare(source, tmp_path / "data", shard_mb=1)
    read = dataset_dir.read_card(str(tmp_path / "data"))
    assert read == card
    assert [split.per_class for split in read.splits.values()] == [[7, 11], [5, 7]]
    pixels = []
    for name, split in read.splits.items():
        index = record_files.read_index(str(tmp_path / "data"), read, name)
        labels = record_files.read_labels(str(tmp_path / "data"), read, name)
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
    assert file_contents(tmp_path / "alone") == file_contents(tmp_path / "two")
    assert alone.source["fingerprint"] == again.source["fingerprint"]
    assert prepare(source, tmp_path / "seed", seed=1).fingerprint != alone.fingerprint


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


@st.composite
def sources(draw) -> list[tuple[int, str, str]]:
    """Content (negative: no sound image), label and group of every file."""
    return draw(
        st.lists(
            st.tuples(
                st.integers(-2, 14), st.sampled_from("abc"), st.sampled_from(["", "", "g", "h"])
            ),
            min_size=12,
            max_size=40,
        )
    )


@given(
    sources(),
    st.sampled_from(["same_split", "drop", "allow"]),
    st.sampled_from(["train:0.5,test:0.5", "kfold:3", "auto", "test:2"]),
    st.sampled_from([None, 0, 8]),
    st.booleans(),
)
@settings(max_examples=15)
def test_whatever_the_source_every_image_is_accounted_for(
    tmp_path_factory, images, policy, splits, near, drop
):
    folder = tmp_path_factory.mktemp("source")
    for number, (content, _, _) in enumerate(images):
        data = (
            image_bytes(photo(content, size=(10, 8)), "PNG")
            if content >= 0
            else b"\x89PNG" * -content
        )
        (folder / f"{number:02d}").write_bytes(data)
    rows = [
        {"path": f"{number:02d}", "label": label, "group": group}
        for number, (_, label, group) in enumerate(images)
    ]
    drop = drop and near is not None and not splits.startswith("kfold")
    try:
        card = prepare(
            write_listing(folder, rows),
            folder / "data",
            splits=splits,
            duplicates=policy,
            near_duplicates=near,
            near_duplicates_action="drop_from_eval" if drop else "list",
            max_bad_fraction=1,
        )
    except UserError as error:
        # The few things that a small source may rightly be refused for.
        assert any(
            words in str(error)
            for words in ("would have no image", "no sound image", "one class only", "the sizes")
        )
        assert not os.path.exists(folder / "data/card.json")
        return
    stored = names_in_order(folder / "data")
    found = {name: split for split, names in stored.items() for name in names}
    source = card.source
    bad = {f"{n:02d}" for n, (content, _, _) in enumerate(images) if content < 0}
    assert set(quarantine_reasons(folder / "data")) == bad
    assert len(found) == sum(split.records for split in card.splits.values())
    dropped = source["duplicates_dropped"] + source["near_duplicates_dropped"]
    assert len(found) + len(bad) + dropped == source["images"] == len(images)
    distinct = {(content, label) for content, label, _ in images if content >= 0}
    if policy == "drop":
        assert source["duplicates_dropped"] == len(images) - len(bad) - len(distinct)
    elif not drop:
        assert dropped == 0
    if policy != "allow":
        for kind in (0, 2):  # a picture, or a group, is in one split
            together: dict[object, set] = {}
            for number, image in enumerate(images):
                if image[kind] != "" and f"{number:02d}" in found:
                    together.setdefault(image[kind], set()).add(found[f"{number:02d}"])
            assert all(len(where) == 1 for where in together.values())


def test_a_required_flag_is_named(tmp_path):
    finished = run_program("beam_pipelines.prepare", f"--output_dir={tmp_path}")
    assert_one_line_error(finished, 2, "--source is required")
