"""Every path may be `gs://`: the same job in a bucket, against an emulator of Cloud Storage."""

import json

import h5py
import numpy as np
import pytest

from beam_pipelines import sources
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import file_contents, list_images, prepare
from tests.conftest import (
    assert_one_line_error,
    download,
    run_program,
    upload,
    write_images,
)


@pytest.fixture
def photos(tmp_path):
    """Three classes, with names that are not plain, nested, and a file that is no image."""
    root = tmp_path / "photos"
    write_images(root, {"cat & dog": 20, "é#1": 20, "50%?": 20})
    write_images(root / "é#1" / "more [1]", {"deep": 3}, seed=1)
    (root / "cat & dog" / "notes+1.png").write_text("no image")
    (root / "cat & dog" / ".hidden").write_text("passed over")
    return root


def test_a_bucket_gives_and_takes_what_local_folders_do(photos, bucket, tmp_path):
    upload(bucket, photos, "in/photos")
    root = f"gs://{bucket.name}"
    local = prepare(photos, tmp_path / "data", max_bad_fraction=0.1)
    remote = prepare(f"folder:{root}/in/photos/", f"{root}/out/data", max_bad_fraction=0.1)
    assert remote.fingerprint == local.fingerprint
    assert remote.source["fingerprint"] == local.source["fingerprint"]
    found, meant = download(bucket, "out/data"), file_contents(tmp_path / "data")
    assert set(found) == set(meant)
    for name in set(found) - {dataset_dir.CARD, dataset_dir.REPORT}:
        assert found[name] == meant[name], name
    assert len(found[dataset_dir.REPORT]) > 0.9 * len(meant[dataset_dir.REPORT])
    cards = [json.loads(content[dataset_dir.CARD]) for content in (found, meant)]
    assert [card["source"].pop("spec") for card in cards] == [
        f"folder:{root}/in/photos/",
        f"folder:{photos}",
    ]
    assert cards[0] == cards[1]
    downloaded = tmp_path / "downloaded"
    downloaded.mkdir()
    for name, content in found.items():
        (downloaded / name).write_bytes(content)
    assert dataset_dir.read_card(str(downloaded)) == remote


def test_worker_processes_read_and_write_a_bucket_too(photos, bucket, endpoint, tmp_path):
    upload(bucket, photos, "photos")
    finished = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:gs://{bucket.name}/photos",
        f"--output_dir=gs://{bucket.name}/data",
        "--name=shades",
        "--splits=train:0.6,test:0.4",
        "--max_bad_fraction=0.1",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
        STORAGE_EMULATOR_HOST=endpoint,
    )
    assert finished.returncode == 0, finished.stderr
    card = json.loads(download(bucket, "data")[dataset_dir.CARD])
    assert card["fingerprint"] == prepare(photos, tmp_path / "x", max_bad_fraction=0.1).fingerprint


def test_a_listing_in_a_bucket_names_objects_beside_it_or_anywhere(photos, bucket):
    upload(bucket, photos, "photos")
    root = f"gs://{bucket.name}"
    lines = ["path,label"]
    lines += [f"é#1/{number:03d}.png,one" for number in range(10)]
    lines += [f"{root}/photos/50%?/{number:03d}.png,two" for number in range(10)]
    lines += ["gone.png,one", f"{root}/photos/50%?,two", "s3://other/a.png,one"]
    bucket.blob("photos/rows.csv").upload_from_string("\n".join(lines))
    card = prepare(f"listing:{root}/photos/rows.csv", f"{root}/data", max_bad_fraction=0.2)
    assert (card.source["images"], card.source["quarantined"]) == (23, 3)
    rows = map(json.loads, download(bucket, "data")[dataset_dir.QUARANTINE].splitlines())
    assert {row["reason"] for row in rows} == {"unreadable"}
    with pytest.raises(UserError, match=r"nothing\.csv does not exist"):
        sources.read(f"listing:{root}/photos/nothing.csv", "")


def test_an_hdf5_file_is_read_from_a_bucket(bucket, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"], file["labels"] = images, np.arange(20) % 2
    bucket.blob("a.h5").upload_from_filename(tmp_path / "a.h5")
    remote = prepare(f"hdf5:gs://{bucket.name}/a.h5", f"gs://{bucket.name}/data")
    local = prepare(f"hdf5:{tmp_path / 'a.h5'}", tmp_path / "data")
    assert remote.fingerprint == local.fingerprint
    with pytest.raises(UserError, match=r"b\.h5 cannot be read as HDF5"):
        sources.read(f"hdf5:gs://{bucket.name}/b.h5", "")


def test_file_names_of_a_bucket_tell_classes(bucket):
    for name in ("cat.1.jpg", "deeper/dog.2.jpg", ".hidden", "deeper/"):
        bucket.blob(f"train/{name}").upload_from_string(b"x")
    found = list_images(f"filename:gs://{bucket.name}/train")
    assert [(row.path, row.label) for row in found] == [
        ("cat.1.jpg", "cat"),
        ("deeper/dog.2.jpg", "dog"),
    ]


def test_a_whole_bucket_may_be_a_source(photos, bucket):
    for name, content in file_contents(photos).items():
        bucket.blob(name).upload_from_string(content)
    assert list_images(f"folder:gs://{bucket.name}") == list_images(f"folder:{photos}")


def test_tiny_imagenet_is_read_from_a_bucket(bucket):
    for name, content in {
        "words.txt": "n1\tgoldfish\nn2\tcrane\n",
        "train/n1/images/a.png": "",
        "train/n2/images/b.png": "",
        "val/images/c.png": "",
        "val/val_annotations.txt": "c.png\tn2\t0\n",
    }.items():
        bucket.blob(f"tiny/{name}").upload_from_string(content)
    found = list_images(f"tiny_imagenet:gs://{bucket.name}/tiny")
    assert [row.label for row in found] == ["goldfish (n1)", "crane (n2)", "crane (n2)"]


def test_a_finished_dataset_in_a_bucket_is_replaced_only_on_request(photos, bucket):
    root = f"gs://{bucket.name}/data"
    first = prepare(photos, root, max_bad_fraction=0.1)
    before = download(bucket, "data")
    with pytest.raises(UserError, match="`overwrite`"):
        prepare(photos, root, max_bad_fraction=0.1, seed=1)
    assert download(bucket, "data") == before
    second = prepare(photos, root, max_bad_fraction=0.1, seed=1, overwrite=True, name="other")
    assert second.fingerprint != first.fingerprint
    after = download(bucket, "data")
    assert json.loads(after[dataset_dir.CARD])["fingerprint"] == second.fingerprint
    assert not [name for name in after if name.startswith(("shades-", ".work"))]


def test_a_bucket_folder_with_other_files_is_left_alone(photos, bucket):
    bucket.blob("mine/thesis.txt").upload_from_string("precious")
    with pytest.raises(UserError, match=r"holds other files .thesis\.txt"):
        prepare(photos, f"gs://{bucket.name}/mine", max_bad_fraction=0.1)
    assert download(bucket, "mine") == {"thesis.txt": b"precious"}


def test_an_unfinished_job_in_a_bucket_is_replaced(photos, bucket):
    for name in (".work/", ".work/scan-000000009.jsonl", "shades-train.tfrecord-00000-of-00009"):
        bucket.blob(f"data/{name}").upload_from_string("half")
    card = prepare(photos, f"gs://{bucket.name}/data", max_bad_fraction=0.1)
    assert not [name for name in download(bucket, "data") if "-of-00009" in name or "work" in name]
    assert sum(split.records for split in card.splits.values()) == 63


def test_a_bucket_or_folder_that_is_not_there_is_named(photos, bucket):
    for spec in ("folder", "filename"):
        for place in ("gs://no-such-bucket/photos", f"gs://{bucket.name}/nothing"):
            with pytest.raises(UserError, match=f"{place} is no folder"):
                list_images(f"{spec}:{place}")
    with pytest.raises(UserError, match="no-such-bucket/data: there is no such bucket"):
        prepare(photos, "gs://no-such-bucket/data", max_bad_fraction=0.1)


def test_a_bucket_without_credentials_ends_in_one_line(tmp_path):
    finished = run_program(
        "beam_pipelines.prepare",
        "--source=folder:gs://photos",
        f"--output_dir={tmp_path / 'data'}",
        STORAGE_EMULATOR_HOST="",
        GOOGLE_APPLICATION_CREDENTIALS="",
        GOOGLE_CLOUD_PROJECT="mill",
        CLOUDSDK_CONFIG=str(tmp_path),
        NO_GCE_CHECK="true",
    )
    assert_one_line_error(finished, 1, "gs://photos", "gcloud auth application-default login")


@pytest.mark.parametrize("flag", ["source", "output_dir"])
def test_other_clouds_are_refused_as_bad_usage(photos, tmp_path, flag):
    given = {"source": f"folder:{photos}", "output_dir": str(tmp_path / "data")}
    given[flag] = given[flag].replace(str(tmp_path), "s3://bucket")
    finished = run_program(
        "beam_pipelines.prepare", *(f"--{name}={value}" for name, value in given.items())
    )
    assert_one_line_error(finished, 2, f"--{flag}=", "s3://bucket", "gs://")
    with pytest.raises(UsageError):
        prepare(given["source"], given["output_dir"])
