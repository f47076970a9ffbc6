"""How many workers the local runner gets."""

import os

import pytest

from beam_pipelines import engine


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
