"""Training on a dataset directory in a bucket, whole programs against an emulator."""

import json

import numpy as np
import pytest

from beam_pipelines.planning import sharding
from headrace import files
from headrace.errors import UserError
from tests.beam_pipelines.jobs import prepare
from tests.conftest import assert_one_line_error, run_program, upload, write_images
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from trainer import run_dir
from trainer.config import resume
from trainer.config import run as run_config
from trainer.config.run import RunConfig


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


def test_a_run_directory_in_a_bucket_is_one_on_a_disk(bucket, tmp_path):
    """All that the programs read and write there but TensorBoard's files, which TensorFlow does."""
    config = with_values(RunConfig(), model="lenet", steps=3)
    found = []
    for folder in (str(tmp_path), f"gs://{bucket.name}/runs"):
        workdir = f"{folder}/one"
        resume.check_same_run(workdir, config)
        with run_dir.lock(workdir):
            run_dir.make(workdir, run_config.to_json(config), "--flag\n", np.ones((2, 2, 1)))
            for step in (1, 2, 3):
                run_dir.append_metrics(workdir, {"step": step, "split": "train"})
            run_dir.forget_metrics_after(workdir, 2, 2)
            run_dir.append_metrics(workdir, {"step": 3, "split": "test"})
            run_dir.write_result(workdir, {"steps": 3, "evaluations_since_best": 0})
        resume.check_same_run(workdir, config)
        assert run_config.read(workdir) == config
        assert run_dir.is_finished(workdir, 3)
        rows, mean_image = run_dir.read_metrics(workdir), run_dir.read_mean_image(workdir)
        run_dir.make(workdir, run_config.to_json(config), "--flag\n")
        assert run_dir.read_result(workdir) is None
        found.append((rows, mean_image.tolist(), sorted(files.listing(workdir)[1])))
        files.make_folder(f"{folder}/other")
        files.write_atomic(f"{folder}/other/thesis.txt", b"precious")
        with pytest.raises(UserError, match="has files in it but is no run directory"):
            resume.check_same_run(f"{folder}/other", config)
    assert found[0] == found[1]
    assert [row["step"] for row in found[0][0]] == [1, 2, 3]
