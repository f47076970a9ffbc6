import json
import sys

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.peers import measure


def asked(monkeypatch, tmp_path, *more):
    monkeypatch.setattr(sys, "argv", ["script", "source", str(tmp_path), *more])
    return measure.asked()


def test_the_warm_up_goes_before_what_is_asked_for_in_whole_batches(monkeypatch, tmp_path):
    batches = iter([np.zeros([8, 2], np.uint8)] * 9)
    measure.rate(batches, asked(monkeypatch, tmp_path, "--images=24", "--warm_up=9"))
    assert len(list(batches)) == 4  # two batches warmed up, three were counted
    assert json.loads((tmp_path / harness.FIGURES).read_text())["images/s"] > 0


@pytest.mark.parametrize("batch", [np.zeros([65, 2], np.uint8), np.zeros([8, 2], np.float32)])
def test_another_output_than_was_asked_for_ends_the_run(monkeypatch, tmp_path, batch):
    with pytest.raises(SystemExit, match="expected at most 64 × uint8"):
        measure.rate([batch], asked(monkeypatch, tmp_path))
