"""The program that writes a split as HDF5: the same bytes again, whole or not at all."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.beam_pipelines.hdf5_files import write_hdf5
from tests.beam_pipelines.jobs import file_contents, prepare
from tests.conftest import ROOT, assert_one_line_error, run_program, write_images


def test_the_program_writes_the_same_bytes_twice_and_refuses_to_overwrite(prepared, tmp_path):
    arguments = ["beam_pipelines.to_hdf5", f"--data_dir={prepared}", "--batch_size=16"]
    finished = run_program(*arguments, f"--output={tmp_path / 'one.h5'}")
    assert finished.returncode == 0, finished.stderr
    assert "write: 72 images" in finished.stdout
    write_hdf5(prepared, tmp_path / "two.h5", batch_size=16)
    before = file_contents(tmp_path)
    assert before["one.h5"] == before["two.h5"]
    refused = run_program(*arguments, f"--output={tmp_path / 'one.h5'}")
    assert_one_line_error(refused, 1, f"--output={tmp_path / 'one.h5'} exists")
    assert file_contents(tmp_path) == before


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--compression=zip"], 2, ["--compression=zip", "none|gzip|lzf"]),
        (["--batch_size=0"], 2, ["--batch_size=0"]),
        (["--batch_size=70000000"], 2, ["--batch_size=70000000", "4 GiB", "at most 67108863"]),
        (["--data_dir="], 1, ["no finished dataset directory"]),
        (["--split=exam"], 1, ["no split 'exam'", "'train', 'validation', 'test'"]),
        (["--output=nowhere/x.h5"], 1, ["--output=nowhere/x.h5", "No such file or directory"]),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(prepared, tmp_path, flags, code, words):
    finished = run_program(
        "beam_pipelines.to_hdf5",
        f"--data_dir={prepared}",
        f"--output={tmp_path / 'x.h5'}",
        *flags,
    )
    assert_one_line_error(finished, code, *words)
    assert "images in" not in finished.stdout
    assert file_contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("data_dir", "output", "code", "words"),
    [
        ("s3://bucket/data", "train.h5", 2, ["--data_dir=s3://bucket/data", "gs://"]),
        (None, "s3://bucket/train.h5", 2, ["--output=s3://bucket/train.h5", "gs://"]),
        (None, "a" * 252 + ".h5", 1, ["--output=aaa", "File name too long"]),
    ],
)
def test_paths_that_no_file_can_have_are_said_in_one_line(prepared, data_dir, output, code, words):
    finished = run_program(
        "beam_pipelines.to_hdf5", f"--data_dir={data_dir or prepared}", f"--output={output}"
    )
    assert_one_line_error(finished, code, *words)


def test_images_of_unequal_sizes_are_refused_with_the_remedy(tmp_path):
    write_images(tmp_path / "source", {"dark": 6, "light": 6})
    write_images(tmp_path / "source" / "dark", {"wide": 6}, size=(4, 12), seed=1)
    prepare(tmp_path / "source", tmp_path / "data")
    finished = run_program(
        "beam_pipelines.to_hdf5", f"--data_dir={tmp_path / 'data'}", f"--output={tmp_path / 'x.h5'}"
    )
    assert_one_line_error(finished, 1, "4 to 8 rows and 8 to 12 columns", "--size")
    assert not (tmp_path / "x.h5").exists()


def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path):
    write_images(tmp_path / "source", {"dark": 150, "light": 150})
    splits = "train:0.9,test:0.1"
    prepare(
        tmp_path / "source",
        tmp_path / "data",
        size=(256, 256),
        encoding="raw",
        splits=splits,
    )
    (tmp_path / "out").mkdir()
    arguments = [
        "beam_pipelines.to_hdf5",
        f"--data_dir={tmp_path / 'data'}",
        f"--output={tmp_path / 'out/train.h5'}",
        "--batch_size=1",
        "--compression=gzip",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name[:10] for path in (tmp_path / "out").iterdir()] == [".train.h5."]
    for name in ("out/train.h5", "whole.h5"):
        write_hdf5(tmp_path / "data", tmp_path / name, batch_size=1, compression="gzip")
    assert file_contents(tmp_path / "out") == {"train.h5": (tmp_path / "whole.h5").read_bytes()}
