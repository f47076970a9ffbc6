"""Runs that begin with weights of others, and train more layers as they go on."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from input.dataset import dataset_dir
from tests.conftest import ROOT, assert_one_line_error, run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.test_task import variables, without_rates
from trainer.config import run as run_config
from trainer.loop import train

EPOCHS, PER_EPOCH = 4, 4
PLAN = "stage1@1=0.005,*@3=0.0005"


def assert_same_run(one, other) -> None:
    """They logged the same and ended with the same state, to the last bit."""
    assert without_rates(one) == without_rates(other)
    first, second = variables(one), variables(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


@pytest.fixture(scope="module")
def command(run, prepared):
    """A run on a plan, from the weights of `run`, with an optimizer of every kind of state."""
    return [
        *TASK,
        f"--data_dir={prepared}",
        f"--pretrained={run}",
        "--freeze",
        f"--unfreeze={PLAN}",
        "--optimizer=adamw",
        "--ema_decay=0.9",
        f"--epochs={EPOCHS}",
        "--save_every_steps=1",
    ]


@pytest.fixture(scope="module")
def thawed(command, tmp_path_factory):
    """The run directory of that, and what it printed."""
    workdir = tmp_path_factory.mktemp("thawed") / "run"
    finished = run_program(*command, f"--workdir={workdir}")
    assert finished.returncode == 0, finished.stderr
    return workdir, finished.stdout


def test_the_plan_is_printed_and_every_change_of_it(thawed, run):
    lines = thawed[1].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("group "))
    table = [re.split(r"  +", line) for line in lines[start + 1 : start + 4]]
    assert [(row[0], *row[3:]) for row in table] == [
        ("head", "step 0", "0.05"),
        ("stage1", "step 4", "0.005"),
        ("*", "step 12", "0.0005"),
    ]
    assert "from step 4 on stage1 train too" in lines
    assert "from step 12 on * train too" in lines
    assert any(line.startswith(f"starting from the weights of {run}") for line in lines)


def test_a_kill_in_the_middle_of_a_plan_changes_nothing(command, thawed, tmp_path):
    arguments = [*command, f"--workdir={tmp_path / 'run'}"]
    for step in (2, 9):
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / f"run/checkpoints/step-{step:08}").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finished = run_program(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert "resuming from the checkpoint at step" in finished.stdout
    assert_same_run(thawed[0], tmp_path / "run")


def test_two_replicas_on_a_plan_have_the_weights_of_one(command, thawed, tmp_path):
    replicas = ("--strategy=mirrored", "--logical_devices=2")
    finished = run_program(*command, *replicas, f"--workdir={tmp_path / 'run'}")
    assert finished.returncode == 0, finished.stderr
    first, second = variables(thawed[0]), variables(tmp_path / "run")
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def train_in_parts(workdir, config, minutes: float | None) -> int:
    """Trains to the end, each start for so many minutes; how many starts that took."""
    config = with_values(config, max_minutes=minutes)
    card = dataset_dir.read_card(config.data.data_dir)
    starts = 1
    while train.train(config, card, str(workdir), "") is None:
        starts += 1
    return starts


@pytest.mark.parametrize(
    "changes",
    [
        {"freeze": True, "unfreeze": ("dense@1=0.02",), "model_options": {"units": (8, 8)}},
        {"warm_start_epochs": 1, "model_options": {"units": (8,), "dropout": 0.25}},
    ],
    ids=["unfreeze", "warm_start"],
)
def test_a_run_that_is_stopped_at_every_step_ends_as_one_that_never_was(run, tmp_path, changes):
    config = with_values(
        run_config.read(str(run)),
        model="mlp",
        model_options=changes["model_options"],
        optimizer="nadam",
        ema_decay=0.5,
        deterministic=False,
        epochs=2,
        steps=2 * PER_EPOCH,
        save_every_steps=PER_EPOCH,
    )
    train_in_parts(tmp_path / "source", config, None)
    config = with_values(config, **changes)
    if config.transfer.freeze:
        config = with_values(config, pretrained=str(tmp_path / "source"))
    assert train_in_parts(tmp_path / "whole", config, None) == 1
    assert train_in_parts(tmp_path / "parts", config, 1e-9) > 4
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_frozen_layers_keep_what_they_began_with_to_the_last_bit(run, command, tmp_path):
    arguments = [part for part in command if not part.startswith(("--unfreeze", "--save"))]
    finished = run_program(*arguments, f"--workdir={tmp_path / 'run'}")
    assert finished.returncode == 0, finished.stderr
    kept = {path.name for path in (tmp_path / "run/checkpoints").glob("step-*")}
    (tmp_path / "first/checkpoints").mkdir(parents=True)
    shutil.copytree(
        tmp_path / "run/checkpoints" / min(kept), tmp_path / "first/checkpoints/step-00000000"
    )
    first, last = variables(tmp_path / "first"), variables(tmp_path / "run")
    weights = [
        name for name in last if name.startswith(("model/", "optimizer/_trainable_variables/"))
    ]
    changed = {name for name in weights if not np.array_equal(first[name], last[name])}
    assert (len(kept), len(changed)) == (3, 2)  # kernel and bias of the head
    assert len(weights) > 20


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--freeze"], 2, "say which to begin with, with --pretrained or --init_from"),
        (["--unfreeze=stem@1"], 2, "give --freeze with it"),
        (["--pretrained=RUN", "--freeze", "--unfreeze=stem@2"], 2, "is not before the end"),
        (["--pretrained=RUN", "--init_from=RUN"], 2, "both say which weights to begin with"),
        (["--pretrained=RUN", "--freeze", "--unfreeze=stem"], 2, "expected GROUP@EPOCH=RATE"),
        (["--pretrained=RUN", "--freeze", "--unfreeze=stem@1=0"], 2, "expected GROUP@EPOCH=RATE"),
        (["--pretrained=RUN", "--freeze", "--unfreeze=top@1"], 1, "the model has no group 'top'"),
        (
            ["--pretrained=imagenet"],
            1,
            "no weights of ImageNet for resnet_cifar; there are",
        ),
        (["--pretrained=RUN", "--freeze", "--unfreeze=,"], 2, "expected GROUP@EPOCH=RATE"),
        (["--pretrained=none.h5"], 1, "there is no such file or run directory"),
        (["--pretrained=README.md"], 1, "is no run directory, and no .weights.h5, .h5 or .keras"),
        (["--warm_start_epochs=2"], 2, "leaves nothing of --epochs=2; train longer"),
        (["--warm_start_epochs=1"], 1, "resnet_cifar has no dropout that could be higher"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(run, prepared, tmp_path, flags, code, words):
    given = [flag.replace("RUN", str(run)) for flag in flags]
    asked = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=2")
    assert_one_line_error(run_program(*asked, *given), code, words)
    assert not (tmp_path / "run/config.json").exists()
