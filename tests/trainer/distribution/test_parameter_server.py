"""Workers that train by themselves on weights that a server holds: real processes, and signals."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import re
import signal
import subprocess

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.distribution.cluster import Cluster, on_this_machine

ASYNCHRONOUS = (*TASK, "--nodeterministic", "--strategy=parameter_server")


def test_one_worker_beside_a_server_trains_as_one_process_does(prepared, tmp_path):
    alone, served = tmp_path / "alone", tmp_path / "served"
    flags = (f"--data_dir={prepared}", "--steps=20", "--save_every_steps=12", "--ema=0.9")
    counts = {"chief": 1, "worker": 1, "ps": 1, "evaluator": 1}
    with workers.started_as(
        counts, *ASYNCHRONOUS, *flags, f"--workdir={served}", "--clip_norm=5"
    ) as processes:
        finished = run_program(*TASK, *flags, f"--workdir={alone}", "--clip_norm=5")
        said = workers.ended(processes)
    assert finished.returncode == 0, finished.stderr
    assert [code for code, _, _ in said] == [0] * 4, said
    assert all(errors == "" for _, _, errors in said), said

    first, second = variables(alone), variables(served)
    # Of evaluations, the checkpoints of the chief know nothing.
    names = {name for name in first if not name.startswith(("best/", "waited/"))}
    assert names <= second.keys()
    assert any("moving_variance" in name or "_average" in name for name in names)
    for name in names:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=1e-4, err_msg=name)

    one, other = (json.loads((run / "result.json").read_text()) for run in (alone, served))
    assert (other["steps"], other["bad_records"]) == (20, 0)
    assert other["images_per_second"] > 0
    assert one["splits"].keys() == other["splits"].keys() == {"validation", "test"}
    for split, numbers in one["splits"].items():
        assert other["splits"][split] == pytest.approx(numbers, rel=1e-3, abs=1e-3)

    rows, expected = by_step(served), by_step(alone)
    assert {key for key in expected if key[0] == "train"} <= rows.keys() <= expected.keys()
    assert ("validation", 20) in rows, "the evaluator gave nothing of the end"
    for key, row in rows.items():
        assert row == pytest.approx(expected[key], rel=1e-3, abs=1e-3)
    ranks = {step: row["rank1"] for (split, step), row in rows.items() if split == "validation"}
    (best,) = (served / "checkpoints/best").glob("step-*")
    assert ranks[int(best.name.split("-")[1])] == max(ranks.values())
    assert (served / "curves.png").exists()


def test_a_run_outlives_a_worker_and_a_signal_and_is_finished_by_the_launcher(prepared, tmp_path):
    workdir = tmp_path / "run"
    flags = (*ASYNCHRONOUS, f"--data_dir={prepared}", f"--workdir={workdir}")
    with workers.started_as(
        {"chief": 1, "worker": 2, "ps": 1}, *flags, "--steps=100000"
    ) as processes:
        chief, serving, lost, server = processes
        workers.signal_when(lost, lambda: last_step(workdir) > 0, signal.SIGKILL)
        lost.wait()
        killed_at = last_step(workdir)
        workers.wait_until(lambda: last_step(workdir) >= killed_at + 40, [chief])
        for process in (serving, server, chief):  # as an orchestrator does that ends them all
            process.send_signal(signal.SIGTERM)
        ends = workers.ended(processes)
    assert [code for code, _, _ in ends] == [75, 75, -signal.SIGKILL, 75], ends
    said, errors = ends[0][1:]
    for name, (_, _, lines) in (("worker 0", ends[1]), ("ps 0", ends[3])):
        assert lines.startswith(f"interrupted: {name} serves for 10 s more, so that the chief can")
        assert f"error: {name} was stopped by a signal; start it again" in lines
    assert "worker 1 is gone: others take its steps" in said
    stop = re.search(r"error: stopped at step ([\d,]+) of 100,000", errors)
    assert stop
    step = int(stop[1].replace(",", ""))
    assert step >= killed_at + 40

    finished = run_program(
        *("trainer.launch", "--workers=2", "--servers=1", "--", *flags, f"--steps={step + 80}")
    )
    assert finished.returncode == 0, finished.stderr
    assert f"[chief] resuming from the checkpoint at step {step}" in finished.stdout
    rows = without_rates(workdir)
    steps = [row["step"] for row in rows if row["split"] == "train"]
    assert steps == sorted(set(steps))
    assert steps[-1] == step + 80
    (iterations,) = [v for k, v in variables(workdir).items() if "iterations" in k]
    assert iterations == step + 80
    result = json.loads((workdir / "result.json").read_text())
    assert result["steps"] == step + 80
    assert result["splits"]["test"]["rank1"] > 0.9
    assert [row["step"] for row in rows if row["split"] == "validation"][-1] == step + 80


def test_all_end_well_when_the_time_is_up_and_the_next_start_is_not_taken_for_that(
    prepared, tmp_path
):
    workdir = tmp_path / "run"
    flags = (*ASYNCHRONOUS, f"--data_dir={prepared}", f"--workdir={workdir}", "--steps=100000")
    counts = {"chief": 1, "worker": 1, "ps": 1, "evaluator": 1}
    with workers.started_as(counts, *flags, "--max_minutes=0.02") as processes:
        ends = workers.ended(processes)
    assert [(code, errors) for code, _, errors in ends] == [(0, "")] * 4, ends
    assert "and saved: the time is up; resume with the same command" in ends[0][1]
    step = last_step(workdir)
    with workers.started_as(counts, *flags) as processes:
        workers.signal_when(processes[0], lambda: last_step(workdir) > step, signal.SIGKILL)
        codes = [code for code, _, _ in workers.ended(processes)]
    assert codes == [-signal.SIGKILL, 75, 75, 75]


def test_a_signal_ends_each_that_waits_for_those_that_are_missing(prepared, tmp_path):
    workdir = tmp_path / "run"
    clusters = on_this_machine({"chief": 1, "worker": 1, "ps": 1, "evaluator": 1})
    flags = (*ASYNCHRONOUS, f"--data_dir={prepared}", f"--workdir={workdir}", "--steps=9")
    lines = {
        "chief": "interrupted before there was anything to save\n",
        "worker 0": "interrupted before the chief was there\n",
        "evaluator": "interrupted while it followed the checkpoints: what is evaluated is kept\n",
    }
    with contextlib.ExitStack() as stack:
        processes = {}
        for cluster in clusters:
            # Each for itself: of the chief's run there is no server, of the others' no chief.
            if cluster.name in lines:
                processes[cluster.name] = process = workers.start(
                    dataclasses.replace(cluster, addresses=moved(cluster)), *flags
                )
                stack.callback(process.kill)
        for name, process in processes.items():
            workers.signal_when(
                process, functools.partial(handles_sigterm, process), signal.SIGTERM
            )
            ((code, _, errors),) = workers.ended([process])
            assert (code, errors) == (75, lines[name])
    assert not workdir.exists()


def moved(cluster: Cluster) -> dict[str, list[str]]:
    """Gives the others of a cluster addresses where nobody is."""
    away = on_this_machine({task: len(each) for task, each in cluster.addresses.items()})[0]
    return {**away.addresses, cluster.task: cluster.addresses[cluster.task]}


def handles_sigterm(process: subprocess.Popen) -> bool:
    """Whether a process has a handler of SIGTERM, and does not hold it back."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    masks = {
        name: int(re.findall(rf"{name}:\s+(\w+)", status)[0], 16) for name in ("SigCgt", "SigBlk")
    }
    bit = 1 << (signal.SIGTERM - 1)
    return bool(masks["SigCgt"] & bit and not masks["SigBlk"] & bit)


def test_checkpoints_are_read_by_the_chief_and_not_by_the_servers(tmp_path):
    clusters = on_this_machine({"chief": 1, "worker": 1, "ps": 1})
    addresses = [cluster.address for cluster in clusters]
    finished = run_program("tests.trainer.served_reads", tmp_path, *addresses)
    assert "restored 1 1.0" in finished.stdout, finished.stderr


def by_step(workdir) -> dict[tuple[str, int], dict]:
    return {(row.pop("split"), row["step"]): row for row in without_rates(workdir)}


def last_step(workdir) -> int:
    rows = run_dir.read_metrics(str(workdir))
    return int(str(rows[-1]["step"])) if rows else 0
