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
    Fault("truncate", when="evaluation", seed=1),
    Fault("stop", when="evaluation"),
    Fault("kill", when="step"),
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
    """Each fault hits the run in its turn, and its processes end as they should."""
    for fault in faults:
        happened = inject.inject(fault, run)
        assert happened.moment != inject.TOO_LATE, fault
        assert inject.wrong(fault, happened) == "", (fault, happened)
        if fault.what in ("damage", "fill"):
            assert happened.codes == [1], happened
        if fault.what == "truncate":
            assert "cut to" in happened.moment, happened


@pytest.fixture
def data(prepared, tmp_path):
    """A copy of the dataset, to be damaged."""
    return shutil.copytree(prepared, tmp_path / "data")


def test_a_run_of_one_process_ends_as_if_no_fault_had_been(prepared, data, tmp_path):
    run = Run(data, tmp_path / "faulty")
    survives(run, TO_ONE)
    assert inject.finish(run) == ""
    reference = uninterrupted(tmp_path, prepared, 1)
    assert runs.differences(reference, runs.given(run.workdir)) == []


def test_a_run_of_two_workers_ends_as_if_no_fault_had_been(prepared, tmp_path):
    run = Run(prepared, tmp_path / "faulty", workers=2)
    survives(run, TO_TWO)
    the_launcher_survives(run)
    reference = uninterrupted(tmp_path, prepared, 2)
    assert runs.differences(reference, runs.given(run.workdir)) == []
    other = {**reference, "result.json": {}, "one more": 1}
    assert runs.differences(reference, other) == ["result.json", "one more"]


def the_launcher_survives(run: Run) -> None:
    """The launcher brings a run to its end by itself though a worker is killed in a step."""
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


def children(process: subprocess.Popen, count: int) -> list[int]:
    """The processes that a process starts, in their order, once there are so many."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(found := path.read_text().split()) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return [int(pid) for pid in found]
