"""Workers that train by themselves on weights that a server holds: real processes, and signals."""

import json
import re
import signal

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.distribution.cluster import on_this_machine

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
        chief, _, lost, _ = processes
        workers.signal_when(lost, lambda: last_step(workdir) > 0, signal.SIGKILL)
        lost.wait()
        killed_at = last_step(workdir)
        workers.signal_when(chief, lambda: last_step(workdir) >= killed_at + 40, signal.SIGTERM)
        (code, said, errors), (worker, _, _), (gone, _, _), (server, _, _) = workers.ended(
            processes
        )
    assert (code, worker, gone, server) == (75, 75, -signal.SIGKILL, 75), errors
    assert "worker 1 is gone: others take its steps" in said
    step = int(re.search(r"error: stopped at step ([\d,]+) of 100,000", errors)[1].replace(",", ""))
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


def test_checkpoints_are_read_by_the_chief_and_not_by_the_servers(tmp_path):
    members = on_this_machine({"chief": 1, "worker": 1, "ps": 1})
    addresses = [member.address for member in members]
    finished = run_program("tests.trainer.served_reads", tmp_path, *addresses)
    assert "restored 1 1.0" in finished.stdout, finished.stderr


def by_step(workdir) -> dict[tuple[str, int], dict]:
    return {(row.pop("split"), row["step"]): row for row in without_rates(workdir)}


def last_step(workdir) -> int:
    rows = run_dir.read_metrics(str(workdir))
    return rows[-1]["step"] if rows else 0
