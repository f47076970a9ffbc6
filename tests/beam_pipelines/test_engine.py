"""How many workers the local runner gets, and what a runner that loses tasks comes to."""

import os

import pytest

from beam_pipelines import engine, inventory
from headrace import UserError
from tests.beam_pipelines.jobs import prepare
from tests.conftest import write_images


@pytest.mark.parametrize(
    ("images", "mean_bytes", "mode"),
    [
        (100, 100_000, "in_memory"),
        (2_000, 100_000, "multi_threading"),
        (2_000, 1_000, "in_memory"),
        (60_000, 1_000, "multi_processing"),
    ],
)
def test_workers_are_started_where_they_are_worth_it(images, mean_bytes, mode):
    given = engine.options([], images, mean_bytes).get_all_options()
    workers = 1 if mode == "in_memory" else os.cpu_count()
    assert (given["direct_running_mode"], given["direct_num_workers"]) == (mode, workers)


def test_what_the_user_says_about_workers_holds():
    flags = ["--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    given = engine.options(flags, 100, 100).get_all_options()
    assert (given["direct_running_mode"], given["direct_num_workers"]) == ("multi_threading", 3)


def _losing_scans(pipeline, tasks, scan, plan, write):
    _build(pipeline, tasks[1:], scan, plan, write)


def _losing_writes(pipeline, tasks, scan, plan, write):
    _build(pipeline, tasks, scan, lambda: plan()[1:], write)


_build = engine.build


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (_losing_scans, "has 20 images, but 12 were scanned: the runner lost some"),
        (_losing_writes, "lost the task of writing shades-train.tfrecord-00000-of-00001"),
    ],
)
def test_a_lost_task_ends_the_job_without_a_card(tmp_path, monkeypatch, build, said):
    write_images(tmp_path / "source", {"dark": 10, "light": 10})
    monkeypatch.setattr(inventory, "_CHUNK", 8)
    monkeypatch.setattr(engine, "build", build)
    with pytest.raises(UserError, match=said):
        prepare(tmp_path / "source", tmp_path / "data", shard_mb=1)
    assert not (tmp_path / "data" / "card.json").exists()
