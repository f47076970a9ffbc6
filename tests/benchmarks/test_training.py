from typing import Any

import pytest

from benchmarks import harness, training
from benchmarks.harness import Contender
from benchmarks.training import Work


@pytest.fixture
def tiny(prepared, tmp_path, monkeypatch) -> Work:
    """Eight steps of a small network, in batches of 16; an epoch has four."""
    monkeypatch.setattr(training.reporting, "cache", lambda: tmp_path)
    options = "--model_options=stages=(1,1);filters=(4,4,8)"
    flags = [f"--data_dir={prepared}", "--model=resnet_cifar", options, "--eval_every=1000"]
    return Work(flags, batch=16, first=4, last=8)


def by_name(rows: list[harness.Row]) -> dict[str, Any]:
    """Values by name; all have one."""
    assert not [row.error for row in rows if row.error]
    return {row.name: row.value for row in rows}


def test_the_trainer_is_put_beside_a_bare_loop(tiny):
    found = by_name(training.loop(tiny, rounds=1))
    ours, bare = found["loop: headrace"], found["loop: bare loop"]
    assert found["loop: headrace by bare loop"] == pytest.approx(ours / bare, rel=0.01)


def test_fit_trains_on_the_same_flags(tiny, tmp_path):
    how = ["--tuned", "--epoch_a_call", "--nojit"]
    command = training.module("keras_fit", *tiny.clock, *tiny.task(), *how)
    ((fit,),) = harness.in_turn([Contender("fit", command)], 1, tmp_path).values()
    assert fit.figures["steps/s"] > 0


@pytest.mark.parametrize("how", [[], ["--apart"]])
def test_two_workers_on_a_core_each_are_timed_together(tiny, tmp_path, how):
    command = training.trainer(tiny, tiny.task(32), "--workers=2", "--pinned", *how)
    ((two,),) = harness.in_turn([Contender("two", command)], 1, tmp_path).values()
    assert two.figures["images/s"] == pytest.approx(32 * two.figures["steps/s"])


def test_a_killed_run_goes_on_and_the_parts_of_its_start_are_in_the_whole(tiny):
    found = by_name(training.restart(tiny, rounds=1))
    whole = found.pop("restart, to the first step: headrace")
    own = found.pop("restart, restore, decoding and seek: headrace")
    parts = {name.removeprefix("restart, ").partition(":")[0]: s for name, s in found.items()}
    own_parts = [parts[name] for name in ("restore", "decoding", "seek")]
    assert own == pytest.approx(sum(own_parts), abs=0.005)  # they are rounded
    assert min(parts.values()) > 0
    assert sum(parts.values()) < whole + parts["seek"]  # the first batch is in two parts


def test_the_cost_of_saves_is_that_of_as_many_as_there_were(tiny):
    found = by_name(training.saves(tiny, rounds=1, calls=8, seconds=0.01))
    often, never = found["saves: a save every 0.01 s"], found["saves: no saves"]
    assert found["saves, one stands still: a save every 0.01 s"] > 0
    cost = found["saves, cost of one a minute"]
    assert (cost > 0) == (never > often)
