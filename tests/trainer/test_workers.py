"""Several workers train as one would: the same weights, one run directory, one end."""

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, assert_one_line_error, run_program
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.distribution.cluster import Cluster, host_and_port, on_this_machine

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
    hooks = folder / "hooks"
    hooks.mkdir()
    waiting, pipe = hooks / "waiting", hooks / "pipe"
    os.mkfifo(pipe)
    (hooks / "sitecustomize.py").write_text(WAIT_BEFORE_RESULT.format(str(waiting), str(pipe)))
    data = everything(prepared)
    with workers.started(
        *(2, *TASK, EPOCHS, f"--data_dir={prepared}"),
        own=(f"--workdir={folder / 'chief'}", f"--workdir={folder / 'other'}"),
        TMPDIR=str(folder / "temporary"),
        PYTHONPATH=str(hooks),
    ) as processes:
        workers.wait_until(waiting.exists, processes[:1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[1].wait(timeout=6)
        left_early = processes[1].poll() is not None
        pipe.open("w").close()
        said = workers.ended(processes)
    shutil.rmtree(hooks)
    assert everything(prepared) == data
    return folder, said, left_early


# A process that is about to write `result.json` says that it waits, and reads a pipe to its end.
WAIT_BEFORE_RESULT = """
import sys

def wait(event, arguments):
    if event == "open" and "/.result.json." in str(arguments[0]):
        open({!r}, "w").close()
        open({!r}).read()

sys.addaudithook(wait)
"""


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
    result = run_dir.read_result(str(folder / "chief"))
    assert result
    assert result["steps"] == 80


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
        (chief, output, errors), (killed, _, _) = workers.ended(processes)
    assert f"resuming from the checkpoint at step {step}" in output
    assert (chief, killed) == (75, -signal.SIGKILL), errors
    assert "error: another worker is gone; start all of them again" in errors

    finished = run_program(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert "resuming from the checkpoint at step" in finished.stdout
    assert_agree(run, workdir)


def test_a_signal_ends_a_worker_that_waits_for_the_others(prepared, tmp_path):
    """With nothing to save, though one of the others is there."""
    arguments = (*TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}")
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    with contextlib.ExitStack() as stack:
        processes = []
        for number in numbers:
            cluster, present, *_ = on_this_machine({"worker": 4})
            stack.enter_context(listening(present))
            processes.append(workers.start(cluster, *arguments))
            stack.callback(processes[-1].kill)
            here = cluster.address
            workers.signal_when(processes[-1], functools.partial(listens, here), number)
        ends = workers.ended(processes)
    said = "waiting for 3 other workers\n", "interrupted before there was anything to save\n"
    assert ends == [(75, *said)] * len(numbers)
    assert not (tmp_path / "run").exists()


def test_a_signal_is_not_lost_while_tensorflow_connects_the_workers(prepared, tmp_path):
    """Where no handler and no thread of Python runs: it is heard as soon as all are there."""
    clusters = on_this_machine({"worker": 2})
    arguments = (*TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}")
    with contextlib.ExitStack() as stack:
        with listening(clusters[1]):
            chief = workers.start(clusters[0], *arguments)
            stack.callback(chief.kill)
            here = clusters[0].address
            workers.signal_when(chief, lambda: listens_in_tensorflow(here), signal.SIGTERM)
        other = workers.start(clusters[1], *arguments)
        stack.callback(other.kill)
        ((code, _, errors),) = workers.ended([chief])
    assert (code, errors) == (75, "interrupted before there was anything to save\n")


def test_a_wait_for_a_worker_that_died_while_tensorflow_connected_it_is_bounded(tmp_path):
    cluster, peer = on_this_machine({"worker": 2})
    code = (
        "import os\n"
        "from trainer.distribution import strategies\n"
        "from trainer.distribution.cluster import Cluster\n"
        "strategies.CONNECT_SECONDS = 2\n"
        "strategies.create('auto', Cluster.from_environment(os.environ))\n"
    )
    with listening(peer):
        finished = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": cluster.to_json()},
            capture_output=True,
            timeout=workers.LIMIT,
            check=False,
        )
    assert finished.returncode == -signal.SIGALRM


def listening(cluster: Cluster) -> socket.socket:
    """Listens at the address of a task, as TensorFlow does, and answers nothing."""
    host, port = host_and_port(cluster.address)
    return socket.create_server((host, port), backlog=128)


def listens_in_tensorflow(address: str) -> bool:
    """Whether what listens there is not the meeting, which answers each connection at once."""
    try:
        with socket.create_connection(host_and_port(address), timeout=1) as connection:
            return connection.recv(8) not in (b"", b"waiting\n", b"ready\n")
    except TimeoutError:
        return True
    except OSError:
        return False


def listens(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(host_and_port(address)) == 0


def test_a_worker_whose_address_is_taken_says_so(prepared, tmp_path):
    _, member = on_this_machine({"worker": 2})
    with socket.create_server(("0.0.0.0", int(member.address.split(":")[1]))):
        process = workers.start(
            member, *TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"
        )
        ((code, _, errors),) = workers.ended([process])
    assert code == 75
    error = errors.strip().splitlines()[-1]
    assert error.startswith(f"error: worker 1 cannot listen at {member.address}, its own")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["http://a:2222", "b:2222"], "http://a:2222 is not host:port"),
        (["a:2222", "b:99999"], "b:99999 has no port between 1 and 65535"),
        (None, 'it has no "cluster", only "task"'),
    ],
)
def test_a_cluster_that_cannot_be_is_an_error_of_one_line(prepared, tmp_path, addresses, words):
    config: dict[str, object] = {"task": {"type": "worker", "index": 1}}
    if addresses:
        config["cluster"] = {"worker": addresses}
    finished = run_program(
        *(*TASK, EPOCHS, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"),
        TF_CONFIG=json.dumps(config),
    )
    assert_one_line_error(finished, 1, "TF_CONFIG=", words, "; expected")
    assert not (tmp_path / "run").exists()


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
