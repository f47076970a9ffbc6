"""The learning rate of whole runs: stopped and resumed, made longer, under several replicas."""

import numpy as np
import pytest

from tests.conftest import assert_one_line_error, run_program
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import go_on
from tests.trainer.test_task import variables, without_rates
from tests.trainer.test_transfer import PER_EPOCH, assert_same_run, train_in_parts
from trainer import run_dir
from trainer.config import run as run_config

EPOCHS = 3


@pytest.fixture(scope="module")
def config(run):
    """A run on a cosine behind a warm-up, of a model that is compiled in a moment."""
    return with_values(
        run_config.read(str(run)),
        model="mlp",
        model_options={"units": (8,)},
        optimizer="adam",
        learning_rate=0.02,
        schedule="cosine",
        warmup_steps=3,
        deterministic=False,
        epochs=EPOCHS,
        steps=EPOCHS * PER_EPOCH,
        save_every_steps=PER_EPOCH,
    )


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The run directory of that run, never stopped."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert train_in_parts(workdir, config, None) == 1
    return workdir


def rates(workdir) -> dict[int, float]:
    rows = run_dir.read_metrics(str(workdir))
    return {row["step"]: row["learning_rate"] for row in rows if row["split"] == "train"}


def test_the_log_has_the_rate_of_the_next_step(whole):
    found = rates(whole)
    expected = [0.02 * (1 + np.cos(np.pi * (step - 3) / 9)) / 2 for step in (4, 8, 12)]
    assert list(found) == [4, 8, 12]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-5, atol=1e-9)


def test_a_run_that_is_stopped_at_every_step_is_on_the_rates_of_one_that_never_was(
    config, whole, tmp_path
):
    assert train_in_parts(tmp_path / "parts", config, 1e-9) > 6
    assert_same_run(whole, tmp_path / "parts")


def test_more_epochs_say_what_becomes_of_the_rate(config, tmp_path, capsys):
    config = with_values(config, epochs=2, steps=2 * PER_EPOCH)
    train_in_parts(tmp_path / "run", config, None)
    capsys.readouterr()
    go_on(tmp_path / "run", epochs=3, steps=3 * PER_EPOCH)
    lines = capsys.readouterr().out.splitlines()
    now = 0.02 * (1 + np.cos(np.pi * (8 - 3) / 9)) / 2
    assert (
        "the cosine schedule is that of 12 steps from here on, and was that of 8: the learning "
        f"rate goes from 0 to {now:.3g}"
    ) in lines


def test_two_replicas_have_the_rates_and_weights_of_one(prepared, tmp_path):
    asked = (*TASK, f"--data_dir={prepared}", "--epochs=2", "--schedule=one_cycle")
    replicas = ("--strategy=mirrored", "--logical_devices=2")
    for name, more in (("one", ()), ("two", replicas)):
        finished = run_program(*asked, *more, f"--workdir={tmp_path / name}")
        assert finished.returncode == 0, finished.stderr
    assert rates(tmp_path / "one") == rates(tmp_path / "two")
    assert len(without_rates(tmp_path / "one")) == 4
    first, second = variables(tmp_path / "one"), variables(tmp_path / "two")
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--schedule=warm"], "<constant|step|piecewise"),
        (["--schedule=step", "--schedule_options=rise=1"], "--schedule=step has no option 'rise'"),
        (["--warmup_steps=2", "--warmup_epochs=1"], "--warmup_steps and --warmup_epochs both say"),
        (["--schedule=cosine", "--init_from=RUN", "--init_optimizer=restore"], "use reset"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(prepared, run, tmp_path, flags, words):
    given = [flag.replace("RUN", str(run)) for flag in flags]
    asked = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=2")
    assert_one_line_error(run_program(*asked, *given), 2, words)
