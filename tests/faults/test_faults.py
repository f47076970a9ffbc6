"""Whatever happens to a run, the same command ends it as if nothing had: bit for bit.

`python -m tests.faults.soak` does the same with faults at random.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.faults import inject, runs
from tests.faults.inject import Fault
from tests.faults.runs import Run, Watch
from tests.trainer import workers

# In this order, each to the start after the last one. The kill after the stop comes when the
# evaluation that was stopped has been made, and nothing is saved since.
TO_ONE = (
    Fault("kill", when=2.5),
    Fault("kill", when="save"),
    Fault("kill", when="evaluation"),
    Fault("stop", when="evaluation"),
    Fault("kill", when="step"),
    Fault("truncate", when="save", seed=1),
    Fault("damage", when="step"),
    Fault("fill", seed=2),
)
TO_TWO = (
    Fault("kill", "chief", "save"),
    Fault("kill", "all", "evaluation"),
)


def uninterrupted(folder: pathlib.Path, data_dir: pathlib.Path, count: int) -> dict[str, object]:
    """What a run of so many workers gives when nothing happens to it."""
    run = Run(data_dir, folder / "run", count)
    assert inject.finish(run) == ""
    return runs.given(run.workdir)


def survives(run: Run, faults: tuple[Fault, ...]) -> None:
    """Each fault hits the run, and its processes end as they should."""
    for fault in faults:
        happened = inject.inject(fault, run)
        assert happened.moment != inject.TOO_LATE, fault
        assert inject.wrong(fault, happened) == "", (fault, happened)
        if fault.what in ("damage", "fill"):
            assert happened.codes == [1], happened
    assert inject.finish(run) == ""


@pytest.fixture
def data(prepared, tmp_path):
    """A copy of the dataset, to be damaged."""
    return shutil.copytree(prepared, tmp_path / "data")


@pytest.fixture(scope="module")
def given_by_two(prepared, tmp_path_factory):
    return uninterrupted(tmp_path_factory.mktemp("two"), prepared, 2)


def test_a_run_of_one_process_ends_as_if_no_fault_had_been(prepared, data, tmp_path):
    run = Run(data, tmp_path / "faulty")
    survives(run, TO_ONE)
    reference = uninterrupted(tmp_path, prepared, 1)
    assert runs.differences(reference, runs.given(run.workdir)) == []


def test_a_run_of_two_workers_ends_as_if_no_fault_had_been(prepared, given_by_two, tmp_path):
    run = Run(prepared, tmp_path / "run", workers=2)
    survives(run, TO_TWO)
    assert runs.differences(given_by_two, runs.given(run.workdir)) == []


def test_the_launcher_brings_a_run_to_the_same_end_when_a_worker_is_killed(
    prepared, given_by_two, tmp_path
):
    run = Run(prepared, tmp_path / "run", workers=2)
    watch = Watch(run.workdir)
    command = [sys.executable, "-m", "trainer.launch", "--workers=2", "--max_restarts=1", "--"]
    with subprocess.Popen(
        [*command, *run.flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as launcher:
        pids = children(launcher, 2)
        inject.strike(pids, watch, "step", lambda: os.kill(pids[1], signal.SIGKILL))
        _, said = launcher.communicate(timeout=2 * workers.LIMIT)
    assert launcher.returncode == 0, said
    assert "worker 1 was killed (SIGKILL)" in said
    assert "(restart 1 of 1)" in said
    assert runs.differences(given_by_two, runs.given(run.workdir)) == []


def test_a_difference_is_found_and_named(prepared, given_by_two, tmp_path):
    other = {**given_by_two, "result.json": {}, "one more": 1}
    assert runs.differences(given_by_two, other) == ["result.json", "one more"]
    kinds = {name.split(" ")[0].split("/")[0] for name in given_by_two}
    assert kinds == {
        "latest",
        "best",
        "metrics",
        "lines",
        "result.json",
        "curves.png",
        "tensorboard",
    }


def children(process: subprocess.Popen, count: int) -> list[int]:
    """The processes that a process starts, in their order, once there are so many."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(found := path.read_text().split()) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return [int(pid) for pid in found]
