"""Training on a dataset directory in a bucket, whole programs against an emulator."""

import json

from beam_pipelines.planning import sharding
from tests.beam_pipelines.jobs import prepare
from tests.conftest import assert_one_line_error, run_program, upload, write_images
from tests.trainer.conftest import TASK
from trainer import run_dir


def metrics(workdir) -> list[dict]:
    rows = run_dir.read_metrics(str(workdir))
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


def test_a_run_on_a_bucket_is_repeated_from_the_disk(bucket, endpoint, tmp_path, monkeypatch):
    """It reads chunks; by --shuffle_chunk and --shuffle_window a local run has the same batches."""
    write_images(tmp_path / "source", {"dark": 170, "light": 170})
    monkeypatch.setattr(sharding, "shard_count", lambda *_: 3)
    prepare(tmp_path / "source", tmp_path / "data", splits="train:0.9,test:0.1")
    there = upload(bucket, tmp_path / "data", "some/data")
    emulator = {"STORAGE_EMULATOR_HOST": endpoint}
    asked = [*TASK, "--epochs=2", f"--workdir={tmp_path / 'bucket'}"]

    finished = run_program(*asked, f"--data_dir={there}", **emulator)
    assert (finished.returncode, finished.stderr) == (0, "")
    config = json.loads((tmp_path / "bucket" / "config.json").read_text())
    # 306 records have 153 chunks of two, and one window of the epoch's steps mixes them all.
    assert (config["data"]["shuffle_chunk"], config["data"]["shuffle_window"]) == (2, 19)

    local = run_program(
        *TASK, "--epochs=2", f"--workdir={tmp_path / 'disk'}", f"--data_dir={tmp_path / 'data'}",
        "--shuffle_chunk=2", "--shuffle_window=19",
    )  # fmt: skip
    assert local.returncode == 0, local.stderr
    assert metrics(tmp_path / "disk") == metrics(tmp_path / "bucket")

    other = run_program(*asked, f"--data_dir={tmp_path / 'data'}")
    assert_one_line_error(
        other, 1, "--shuffle_chunk was 2 and is 1", "--shuffle_window was 19 and is 1"
    )

    evaluated = run_program("trainer.evaluate", f"--workdir={tmp_path / 'bucket'}", **emulator)
    assert evaluated.returncode == 0, evaluated.stderr
    found = json.loads((tmp_path / "bucket" / "evaluation-test.json").read_text())
    result = json.loads((tmp_path / "bucket" / "result.json").read_text())
    assert found["rank1"] == result["splits"]["test"]["rank1"]


def test_data_elsewhere_is_refused_as_bad_usage(tmp_path):
    finished = run_program(
        *TASK, "--epochs=1", f"--workdir={tmp_path / 'run'}", "--data_dir=s3://bucket/data"
    )
    assert_one_line_error(finished, 2, "--data_dir=s3://bucket/data", "gs://BUCKET/NAME")


def test_data_in_a_bucket_that_is_not_there_is_told(endpoint, tmp_path):
    finished = run_program(
        *TASK,
        *("--epochs=1", f"--workdir={tmp_path / 'run'}", "--data_dir=gs://no-such/data"),
        STORAGE_EMULATOR_HOST=endpoint,
    )
    assert_one_line_error(finished, 1, "gs://no-such/data is no finished dataset directory")
    assert not (tmp_path / "run").exists()
