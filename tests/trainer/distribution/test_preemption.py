"""How one process hears that it is to stop; of several, `test_workers` and `tests.faults` tell."""

import signal
import subprocess
import sys

import pytest

from headrace.errors import INTERRUPTED
from tests.conftest import ROOT
from tests.trainer import workers
from tests.trainer.conftest import TASK

ENDLESS = ("--epochs=100000", "--save_every_epochs=100000", "--eval_every=100000")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_run_whose_terminal_has_gone_saves_what_it_has(number, prepared, tmp_path):
    """Nobody reads what it says."""
    arguments = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, *ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for pipe in (process.stdout, process.stderr):
        assert pipe
        pipe.close()
    metrics = tmp_path / "run" / "metrics.jsonl"
    workers.wait_until(lambda: metrics.exists() and metrics.read_text(), [process])
    process.send_signal(number)
    assert process.wait(timeout=workers.LIMIT) == INTERRUPTED
    assert list((tmp_path / "run/checkpoints").glob("step-*"))


def test_a_run_under_nohup_hears_nothing_of_its_terminal(prepared, tmp_path):
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", *TASK, f"--data_dir={prepared}",
         f"--workdir={tmp_path / 'run'}", *ENDLESS, "--max_minutes=0.1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    metrics = tmp_path / "run" / "metrics.jsonl"
    workers.wait_until(lambda: metrics.exists() and metrics.read_text(), [process])
    process.send_signal(signal.SIGHUP)
    said, errors = process.communicate(timeout=workers.LIMIT)
    assert (process.returncode, errors.replace("nohup: ignoring input\n", "")) == (0, "")
    assert "the time is up" in said
