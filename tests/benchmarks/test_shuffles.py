"""The measures of shuffles know what they are given, and the program writes them down."""

import json

import numpy as np
import pytest

from benchmarks import shuffles
from tests.conftest import assert_one_line_error, run_program

RECORDS = 2_000
LABELS = shuffles.sorted_labels(RECORDS)


def test_no_shuffle_at_all_is_seen():
    stored = np.arange(RECORDS)
    assert shuffles.displacement(stored) == 0
    assert shuffles.displacement(stored[::-1]) == pytest.approx(1.5, abs=0.01)
    assert shuffles.autocorrelation(LABELS, 1) > 0.99
    assert shuffles.autocorrelation(LABELS, RECORDS // 2) < -0.1
    # All ten classes apart: a batch of 100 has one class, whose count is 100 and not 10.
    assert shuffles.spread(LABELS, 100) == pytest.approx(100 / (1900 / 1999), rel=0.01)


def test_uniform_shuffles_are_as_uniform_as_was_computed():
    orders = [shuffles.uniform(RECORDS, seed) for seed in range(200)]
    moved = [shuffles.displacement(order) for order in orders]
    assert np.mean(moved) == pytest.approx(1, abs=0.005)
    assert np.std(moved) == pytest.approx(shuffles.displacement_deviation(RECORDS), rel=0.2)
    alike = [shuffles.autocorrelation(LABELS[order], 1) for order in orders]
    assert np.mean(alike) == pytest.approx(0, abs=0.002)
    assert np.std(alike) == pytest.approx(shuffles.autocorrelation_deviation(LABELS), rel=0.2)
    assert np.mean([shuffles.spread(LABELS[o], 100) for o in orders]) == pytest.approx(1, abs=0.03)


def test_a_buffer_moves_records_no_further_than_it_is_long():
    order = shuffles.tf_data(RECORDS, 50, seed=0)
    assert sorted(order) == list(range(RECORDS))
    assert (order - np.arange(RECORDS)).max() < 50
    assert shuffles.displacement(order) < 0.2


def test_the_program_compares_all_and_writes_it_down(tmp_path):
    finished = run_program(
        "benchmarks.shuffle_quality",
        "--records=2560",
        "--rounds=1",
        f"--json={tmp_path / 'a.json'}",
    )
    assert finished.returncode == 0, finished.stderr
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["benchmark"] == "shuffle_quality"
    values = {row["name"]: row["value"] for row in written["rows"]}
    for name in ("uniform", "headrace", "tf.data, buffer 10,000"):
        assert values[f"displacement: {name}"] == pytest.approx(1, abs=0.1)
        assert values[f"lag 1: {name}"] == pytest.approx(0, abs=0.05)
    assert values["displacement: tf.data, buffer 1,000"] < 0.9
    assert_one_line_error(
        run_program("benchmarks.shuffle_quality", "--records=2561"), 2, "a multiple of 128"
    )
