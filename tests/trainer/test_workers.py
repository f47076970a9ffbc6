"""Several workers train as one would: the same weights, one run directory, one end."""

import json
import signal

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates

STEPS = ("--steps=50", "--save_every_steps=25")


@pytest.fixture(scope="module")
def alone(prepared, tmp_path_factory):
    """A run by one worker, of 50 steps."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    finished = run_program(*TASK, *STEPS, f"--data_dir={prepared}", f"--workdir={workdir}")
    assert finished.returncode == 0, finished.stderr
    return workdir


@pytest.fixture(scope="module")
def together(prepared, tmp_path_factory):
    """The same run by two workers: its directory, and what the workers said."""
    workdir = tmp_path_factory.mktemp("together") / "run"
    said = workers.run(2, *TASK, *STEPS, f"--data_dir={prepared}", f"--workdir={workdir}")
    return workdir, said


def assert_close(one, other, tolerance=1e-4):
    assert one.keys() == other.keys()
    for name, value in one.items():
        difference = np.linalg.norm(np.float64(other[name]) - value)
        assert difference <= tolerance * max(np.linalg.norm(np.float64(value)), 1e-3), name


def test_two_workers_give_the_weights_that_one_gives(alone, together):
    workdir, said = together
    assert [code for code, _, _ in said] == [0, 0], said
    assert_close(variables(alone), variables(workdir))
    for one, other in zip(without_rates(alone), without_rates(workdir), strict=True):
        assert one.pop("split") == other.pop("split")
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3)


def test_the_chief_alone_speaks_and_writes(together):
    workdir, ((_, chief, _), (_, other, errors)) = together
    assert "50 steps at" in chief
    assert (other, errors) == ("", "")
    assert json.loads((workdir / "result.json").read_text())["steps"] == 50
    steps = [row["step"] for row in without_rates(workdir) if row["split"] == "train"]
    assert steps == sorted(set(steps))


def test_a_signal_to_one_worker_saves_the_same_step_in_all(prepared, alone, tmp_path):
    workdir = tmp_path / "run"
    arguments = (*TASK, f"--data_dir={prepared}", f"--workdir={workdir}", "--save_every_steps=25")
    with workers.started(2, *arguments, "--steps=100000") as processes:
        workers.signal_after(processes[1], workdir / "metrics.jsonl", signal.SIGTERM)
        said = workers.ended(processes)
    assert [code for code, _, _ in said] == [75, 75], said
    lines = {errors.strip().splitlines()[-1] for _, _, errors in said}
    assert len(lines) == 1, said
    (line,) = lines
    assert line.startswith("error: stopped at step ")
    # One worker goes on alone, to the very step that was saved, and a little further.
    step = int(line.split()[4].replace(",", ""))
    finished = run_program(*arguments, f"--steps={step + 2}")
    assert finished.returncode == 0, finished.stderr
    assert f"resuming from the checkpoint at step {step}" in finished.stdout


def test_when_a_worker_is_killed_the_others_end_and_all_go_on(prepared, alone, tmp_path):
    workdir = tmp_path / "run"
    arguments = (*TASK, *STEPS, f"--data_dir={prepared}", f"--workdir={workdir}")
    with workers.started(2, *arguments) as processes:
        saved = workdir / "checkpoints"
        workers.signal_after(processes[1], saved, signal.SIGKILL)
        (chief, _, errors), (killed, _, _) = workers.ended(processes)
    assert killed == -signal.SIGKILL
    assert chief in (0, 75), errors
    said = workers.run(2, *arguments)
    assert [code for code, _, _ in said] == [0, 0], said
    assert_close(variables(alone), variables(workdir))


def test_a_batch_that_does_not_divide_is_refused_by_all(prepared, tmp_path):
    arguments = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1")
    said = workers.run(2, *arguments, "--batch_size=15")
    for code, _, errors in said:
        assert code == 2
        assert "--batch_size=15 does not divide over 2 replicas; use 14 or 16" in errors
    assert not (tmp_path / "run").exists()
