"""Several workers train as one would: the same weights, one run directory, one end."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.distribution.cluster import on_this_machine

EPOCHS = "--epochs=20"  # of 4 steps, as of the run of one worker


def assert_agree(one, other, tolerance=1e-4):
    """Two run directories have the same weights, and have logged the same."""
    first, second = variables(one), variables(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        difference = np.linalg.norm(np.float64(second[name]) - value)
        assert difference <= tolerance * max(np.linalg.norm(np.float64(value)), 1e-3), name
    for row, same in zip(without_rates(one), without_rates(other), strict=True):
        assert row.pop("split") == same.pop("split")
        assert row == pytest.approx(same, rel=1e-3, abs=1e-3)


def everything(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def together(prepared, tmp_path_factory):
    """A folder in which two workers have trained, each with a --workdir of its own, what they said,
    and whether the other one had ended while the chief could not finish yet."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "temporary").mkdir()
    (folder / "chief").mkdir()
    # The chief writes its result into a pipe first, and waits there, since it is full.
    pipe, result = (folder / "chief" / name for name in (".result.json.tmp", "result.json"))
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    filled = sum(iter(lambda: written(descriptor), 0))
    data = everything(prepared)
    with workers.started(
        *(2, *TASK, EPOCHS, f"--data_dir={prepared}"),
        own=(f"--workdir={folder / 'chief'}", f"--workdir={folder / 'other'}"),
        TMPDIR=str(folder / "temporary"),
    ) as processes:
        workers.wait_until(lambda: has_open(processes[0], pipe), processes[:1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[1].wait(timeout=6)
        left_early = processes[1].poll() is not None
        os.read(descriptor, filled)
        said = workers.ended(processes)
    result.unlink()
    result.write_bytes(os.read(descriptor, filled))
    os.close(descriptor)
    assert everything(prepared) == data
    return folder, said, left_early


def written(descriptor: int) -> int:
    try:
        return os.write(descriptor, bytes(4096))
    except BlockingIOError:
        return 0


def has_open(process: subprocess.Popen, path) -> bool:
    descriptors = pathlib.Path(f"/proc/{process.pid}/fd").iterdir()
    return any(os.path.realpath(descriptor) == str(path) for descriptor in descriptors)


def test_two_workers_give_the_weights_that_one_gives(run, together):
    folder, said, _ = together
    assert [code for code, _, _ in said] == [0, 0], said
    assert_agree(run, folder / "chief")


def test_the_chief_alone_speaks_and_writes(run, together):
    folder, ((_, chief, _), (_, other, errors)), _ = together
    assert "80 steps at" in chief
    assert (other, errors) == ("", "")
    assert {path.name for path in folder.iterdir()} == {"chief", "temporary"}
    assert list((folder / "temporary").iterdir()) == []
    assert {path.name for path in (folder / "chief").iterdir()} == {p.name for p in run.iterdir()}
    assert run_dir.read_result(str(folder / "chief"))["steps"] == 80


def test_no_worker_ends_before_the_run_is_finished(together):
    _, _, left_early = together
    assert not left_early


def test_what_ends_one_worker_ends_all_and_one_finishes_the_run_alone(run, prepared, tmp_path):
    workdir = tmp_path / "run"
    arguments = (*TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={workdir}")

    # A signal to one of them saves the same step in all, wherever that is in an epoch.
    def logged() -> bool:
        return bool(run_dir.read_metrics(str(workdir)))

    with workers.started(2, *arguments) as processes:
        workers.signal_when(processes[1], logged, signal.SIGTERM)
        said = workers.ended(processes)
    assert [code for code, _, _ in said] == [75, 75], said
    lines = {errors.strip().splitlines()[-1] for _, _, errors in said}
    assert len(lines) == 1, said
    (line,) = lines
    assert line.startswith("error: stopped at step ")
    step = int(line.split()[4].replace(",", ""))
    assert (workdir / "checkpoints" / f"step-{step:08d}").exists()

    # Killed, one of them says nothing any more; the others end by themselves.
    def saved_later() -> bool:
        return any((workdir / "checkpoints" / f"step-{step + n:08d}").exists() for n in range(1, 9))

    with workers.started(2, *arguments) as processes:
        workers.signal_when(processes[1], saved_later, signal.SIGKILL)
        (chief, said, errors), (killed, _, _) = workers.ended(processes)
    assert f"resuming from the checkpoint at step {step}" in said
    assert (chief, killed) == (75, -signal.SIGKILL), errors
    assert "error: another worker is gone; start all of them again" in errors

    finished = run_program(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert "resuming from the checkpoint at step" in finished.stdout
    assert_agree(run, workdir)


def test_ctrl_c_ends_a_worker_that_waits_for_the_others(prepared, tmp_path):
    member, _ = on_this_machine({"worker": 2})
    workdir = tmp_path / "run"
    process = workers.start(member, *TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={workdir}")
    try:
        workers.signal_when(process, lambda: listens(member.address), signal.SIGINT)
        ((code, said, errors),) = workers.ended([process])
    finally:
        process.kill()
    assert (code, said, errors) == (-signal.SIGINT, "waiting for 1 other worker\n", "")
    assert not workdir.exists()


def listens(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address.split(":")[0], int(address.split(":")[1]))) == 0


def test_a_worker_whose_address_is_taken_says_so(prepared, tmp_path):
    _, member = on_this_machine({"worker": 2})
    with socket.create_server(("0.0.0.0", int(member.address.split(":")[1]))):
        process = workers.start(
            member, *TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"
        )
        ((code, _, errors),) = workers.ended([process])
    assert code == 75
    error = errors.strip().splitlines()[-1]
    assert error.startswith(f"error: this worker cannot listen at {member.address}, its own")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--batch_size=16",), "--batch_size=16 does not divide over 3 workers; use 15 or 18"),
        (("--batch_size=18",), "--lanes=2 does not divide over 3 workers; use --lanes=6"),
    ],
)
def test_workers_that_cannot_share_a_batch_say_so_before_they_meet(prepared, tmp_path, flags, said):
    member, *_ = on_this_machine({"worker": 3})
    workdir = tmp_path / "run"
    process = workers.start(
        member, *TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={workdir}", *flags
    )
    try:
        stdout, errors = process.communicate(timeout=60)  # or it waits for the others
    finally:
        process.kill()
    assert (process.returncode, stdout) == (2, "")
    assert errors.startswith(f"error: {said}")
    assert not workdir.exists()
