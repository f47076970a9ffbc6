"""Ending a run, and lowering its learning rate, when what it goes by gets no better."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from headrace.errors import StoppedError
from input.dataset import dataset_dir
from tests.conftest import assert_one_line_error, run_program
from tests.trainer import workers
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from tests.trainer.evaluation.test_monitor import evals_since_best
from tests.trainer.test_task import variables, without_rates
from trainer import run_dir
from trainer.config import run as run_config
from trainer.evaluation import monitor
from trainer.loop import train as training
from trainer.run_data import Data


@pytest.fixture(scope="module")
def config(run):
    return with_values(
        run_config.read(str(run)),
        model_options={"stages": [1], "filters": [4, 8]},
        learning_rate=0.3,
        steps=400,
        save_every_steps=12,  # three epochs
        max_to_keep=1000,
        patience=4,
        reduce_lr_patience=3,
        reduce_lr_factor=0.5,
    )


def train(workdir, config):
    card = dataset_dir.read_card(config.data.data_dir)
    try:
        return training.train(config, card, str(workdir), "")
    finally:
        disable_op_determinism()


@pytest.fixture(scope="module")
def ended(config, tmp_path_factory):
    """A run that patience ended; not to be changed."""
    workdir = tmp_path_factory.mktemp("ended") / "run"
    train(workdir, config)
    return workdir


def watched(workdir) -> list[dict]:
    return [row for row in without_rates(workdir) if row["split"] == "validation"]


def test_a_run_ends_after_so_many_evaluations_without_a_better_one(ended, config):
    rows, result = watched(ended), json.loads((ended / "result.json").read_text())
    waited = evals_since_best([row["rank1"] for row in rows])
    assert [count < 4 for count in waited] == [True] * (len(rows) - 1) + [False]
    assert rows[-1]["step"] == result["steps"] < config.training.steps
    assert result["evaluations_since_best"] == 4
    last = {name: rows[-1][name] for name in ("rank1", "rank5", "loss", "records")}
    assert result["splits"]["validation"] == last
    assert "test" in result["splits"]
    assert max((ended / "checkpoints").glob("step-*")).name == f"step-{result['steps']:08d}"


def test_the_log_has_the_rate_that_each_step_was_trained_with(ended):
    waited = evals_since_best([row["rank1"] for row in watched(ended)])
    rate, expected = 0.3, []
    for count in waited:
        expected.append(rate)
        rate *= 0.5 if monitor.should_reduce_lr(count, 3) else 1
    rates = [row["learning_rate"] for row in without_rates(ended) if row["split"] == "train"]
    assert rates == pytest.approx(expected, rel=1e-6)
    assert rates[-1] <= 0.15


def assert_same_end(workdir, ended):
    assert without_rates(workdir) == without_rates(ended)
    first, second = variables(ended), variables(workdir)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    one, other = (json.loads((each / "result.json").read_text()) for each in (ended, workdir))
    assert {**one, "images_per_second": 0} == {**other, "images_per_second": 0}


def without_end(ended, workdir, after: int) -> None:
    """A run as a kill after its end left it, with only the checkpoints up to a step."""
    shutil.copytree(ended, workdir)
    (workdir / "result.json").unlink()
    for path in (workdir / "checkpoints").glob("step-*"):
        if int(path.name.removeprefix("step-")) > after:
            shutil.rmtree(path)


@pytest.mark.parametrize("evaluations", [0, 2])
def test_a_run_killed_while_it_waits_ends_where_it_would_have(ended, config, tmp_path, evaluations):
    """Or after its last save, where nothing is left but to say so."""
    rows = watched(ended)
    without_end(ended, tmp_path / "run", after=rows[-1 - evaluations]["step"])
    train(tmp_path / "run", config)
    assert_same_end(tmp_path / "run", ended)


@pytest.mark.parametrize("last", [1, 2])
def test_an_evaluation_that_a_signal_cut_short_counts_once(
    ended, config, tmp_path, monkeypatch, last
):
    """The one that ends the run, or the one before; also when the run is killed once it has made
    that again, before it saved anything."""
    again = watched(ended)[-last]
    step = again["step"]
    without_end(ended, tmp_path / "run", after=step - 1)
    evaluation = Data.evaluation

    def signalled(self, split, at):
        if run_dir.read_metrics(str(tmp_path / "run"))[-1]["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluation(self, split, at)

    with monkeypatch.context() as patch:
        patch.setattr(Data, "evaluation", signalled)
        with pytest.raises(StoppedError, match=f"stopped at step {step} of 400, and saved"):
            train(tmp_path / "run", config)
    made = [row["step"] for row in watched(tmp_path / "run")]
    assert made[-1] < step
    run_dir.append_metrics(str(tmp_path / "run"), again)
    train(tmp_path / "run", config)
    assert_same_end(tmp_path / "run", ended)


def test_the_same_command_says_that_the_run_is_finished_and_more_patience_trains_on(
    ended, config, prepared, tmp_path
):
    shutil.copytree(ended, tmp_path / "run")
    steps = json.loads((ended / "result.json").read_text())["steps"]
    asked = (
        *TASK, "--model_options=stages=(1,);filters=(4,8)", f"--data_dir={prepared}",
        f"--workdir={tmp_path / 'run'}", "--reduce_lr_patience=3", "--reduce_lr_factor=0.5",
        "--steps=400",
        "--learning_rate=0.3",
    )  # fmt: skip
    finished = run_program(*asked, "--patience=4")
    assert finished.returncode == 0, finished.stderr
    assert f"is finished, at step {steps}, after 4 evaluations without" in finished.stdout
    result = train(tmp_path / "run", with_values(config, patience=5))
    assert result["steps"] == steps + 4 or result["evaluations_since_best"] < 5


def test_two_workers_start_from_a_run_lower_the_rate_and_end_as_one(run, prepared, tmp_path):
    """From weights that leave nothing to be better at; and go back to the best ones."""
    assert any(row["rank1"] == 1 for row in watched(run))
    said = workers.run(
        2, *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=50",
        f"--init_from={run}", "--patience=2", "--reduce_lr_patience=1", "--learning_rate=1e-5",
        "--restore_best",
    )  # fmt: skip
    assert [code for code, _, _ in said] == [0, 0], said
    rows = without_rates(tmp_path / "run")
    assert [row["rank1"] for row in rows if row["split"] == "validation"] == [1, 1, 1]
    rates = [row["learning_rate"] for row in rows if row["split"] == "train"]
    assert rates == pytest.approx([1e-5, 1e-5, 1e-6])
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["steps"], result["restored_step"], result["stopped"]) == (12, 4, "patience")
    first = next(row for row in rows if row["split"] == "validation")
    assert result["splits"]["validation"]["loss"] == pytest.approx(first["loss"], rel=1e-5)


def test_waiting_for_what_is_not_evaluated_is_refused(prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "data")
    card = json.loads((data / "card.json").read_text())
    asked = (*TASK, f"--workdir={tmp_path / 'run'}", "--epochs=1", "--patience=2")
    assert {"validation", "test"} < set(card["splits"])
    for split in ("validation", "test"):
        del card["splits"][split]
    (data / "card.json").write_text(json.dumps(card))
    finished = run_program(*asked, f"--data_dir={data}")
    assert_one_line_error(finished, 2, "--patience and --reduce_lr_patience", "--validation_split")
    assert not (tmp_path / "run").exists()
