"""Runs with --mixed_precision=auto, as their users start them."""

import json
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from tests.conftest import ROOT, assert_one_line_error, run_program
from tests.headrace.test_parent_death import wait_until_gone
from tests.trainer import workers
from tests.trainer.test_task import variables, without_rates
from trainer.config import run as run_config

TASK = ("trainer.task", "--model=mlp", "--model_options=units=(8,)", "--batch_size=16")


def train(prepared, workdir, *flags: str) -> subprocess.CompletedProcess:
    finished = run_program(*TASK, f"--data_dir={prepared}", f"--workdir={workdir}", *flags)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished


def fingerprinted(workdir) -> set[str]:
    """What the run's checkpoints say that it computes in."""
    manifests = [json.loads(p.read_text()) for p in workdir.glob("checkpoints/**/manifest.json")]
    return {manifest["about"]["fingerprint"]["mixed_precision"] for manifest in manifests}


def test_a_run_has_what_was_chosen_as_if_its_user_had_said_it_and_keeps_it(prepared, tmp_path):
    """It goes on with it, by the same flags, and is measured once."""
    auto, explicit = tmp_path / "auto", tmp_path / "explicit"
    flags = ("--mixed_precision=auto", "--deterministic")
    first = train(prepared, auto, *flags, "--epochs=1")
    assert first.stdout.startswith("--mixed_precision=auto: ")
    chosen = run_config.read(str(auto)).model.mixed_precision
    assert chosen in ("none", "bfloat16")
    second = train(prepared, auto, *flags, "--epochs=2")
    assert "resuming from the checkpoint at step 4" in second.stdout
    assert "mixed_precision" not in second.stdout
    assert run_config.read(str(auto)).model.mixed_precision == chosen
    assert fingerprinted(auto) == {chosen}
    assert "--mixed_precision=auto\n" in (auto / "flags.txt").read_text()

    train(prepared, explicit, f"--mixed_precision={chosen}", "--deterministic", "--epochs=2")
    assert without_rates(auto) == without_rates(explicit)
    weights, same = variables(auto), variables(explicit)
    assert weights.keys() == same.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(value, same[name], err_msg=name)

    refused = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={auto}", "--epochs=3",
        "--mixed_precision=float16",
    )  # fmt: skip
    assert_one_line_error(refused, 1, f"--mixed_precision was {chosen} and is float16")


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 75, "interrupted before there was anything to save\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_signal_ends_a_run_that_measures_and_what_it_has_started(
    prepared, tmp_path, number, code, said
):
    arguments = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=1")
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--mixed_precision=auto"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    children: list[psutil.Process] = []

    def measures() -> bool:
        children[:] = [
            child
            for child in psutil.Process(process.pid).children()
            if "trainer.loop.step_speed" in child.cmdline()
        ]
        return bool(children)

    try:
        workers.signal_when(process, measures, number)
        ((ended, stdout, errors),) = workers.ended([process])
    finally:
        process.kill()
    assert (ended, stdout, errors) == (code, "", said)
    wait_until_gone(children[0])
    assert not (tmp_path / "run/config.json").exists()


def test_a_tpu_which_one_process_alone_can_have_is_refused(prepared, tmp_path):
    for flag in ("--tpu=local", "--strategy=tpu"):
        finished = run_program(
            *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=1",
            "--mixed_precision=auto", flag,
        )  # fmt: skip
        assert_one_line_error(finished, 2, "--mixed_precision=auto is not for --strategy=tpu")
    assert not (tmp_path / "run").exists()
