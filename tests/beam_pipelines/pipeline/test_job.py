"""What may happen to a job under way: no dataset that is not whole passes for one."""

import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from beam_pipelines.pipeline import job
from headrace.errors import UserError
from input.dataset import dataset_dir
from tests.beam_pipelines.jobs import prepare
from tests.conftest import ROOT, run_program, write_images


def test_an_image_that_changes_between_the_phases_is_noticed(source, tmp_path, monkeypatch):
    plan = job.plan.run

    def change_then_plan(*arguments):
        Image.new("L", (8, 8), 77).save(source / "light" / "003.png")
        return plan(*arguments)

    monkeypatch.setattr(job.plan, "run", change_then_plan)
    with pytest.raises(UserError, match=r"light/003\.png changed"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


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
