"""How a start ends: with a result that says what the run gave, or saved, to go on later."""

import json
import shutil

import pytest

from headrace.errors import StoppedError, UserError
from tests.conftest import run_program
from tests.trainer.conftest import TASK
from tests.trainer.loop.starts import NOT_CHIEF, Start, go_on, names, restored
from trainer import run_dir
from trainer.loop import finish
from trainer.loop.train_loop import StopError


def end(at: Start, stopped: str = "steps") -> dict:
    return finish.finish(at.run, at.state, at.manager, at.loop, at.evaluator, stopped)


def test_a_run_killed_after_its_last_step_is_only_evaluated(run, prepared, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/result.json").unlink()
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=20"
    )
    assert finished.returncode == 0, finished.stderr
    before, after = (json.loads((f / "result.json").read_text()) for f in (run, tmp_path / "run"))
    assert after["splits"] == before["splits"]
    assert after["images_per_second"] > 0


def test_a_run_whose_last_step_spoils_the_weights_has_no_result(copy):
    """No training step comes after it that would tell."""
    with pytest.raises(
        UserError, match=r"the loss of validation is nan at step 81: its batch is kept in"
    ):
        go_on(copy, allow_changes=True, steps=81, learning_rate=1e38)
    assert run_dir.read_result(str(copy)) is None


def test_a_result_has_what_was_watched_and_all_that_was_not_trained_on(copy):
    before = run_dir.read_result(str(copy))
    at = restored(copy)
    at.state.step, at.state.evals_since_best = 81, 3
    at.run.data.reader.bad.update({5: "cut short", 6: "cut short"})
    for seconds in (9.0, 2.0):  # the first call, which compiles, does not count
        at.loop.throughput.add(41, seconds)
    result = end(at)
    assert result == run_dir.read_result(str(copy))
    expected = {"steps": 81, "evaluations_since_best": 3, "bad_records": 2}
    assert {name: result[name] for name in expected} == expected
    assert result["images_per_second"] == 20.5
    assert result["splits"].keys() == {"validation", "test"}
    for split, numbers in result["splits"].items():
        assert numbers == pytest.approx(before["splits"][split], rel=1e-5)
    assert "step-00000081" in names(copy / "checkpoints")


def test_a_start_that_trained_nothing_is_as_fast_as_the_log_says_the_last_one_was(copy):
    rows = [row for row in run_dir.read_metrics(str(copy)) if row["split"] == "train"]
    assert end(restored(copy))["images_per_second"] == rows[-1]["images_per_second"] > 0
    (copy / "metrics.jsonl").unlink()
    assert end(restored(copy))["images_per_second"] == 0


def test_who_is_not_chief_has_the_result_and_writes_none(copy):
    (copy / "result.json").unlink()
    assert end(restored(copy, cluster=NOT_CHIEF))["steps"] == 80
    assert run_dir.read_result(str(copy)) is None


def test_a_signal_in_the_last_evaluations_leaves_the_last_step_saved_and_no_result(copy):
    (copy / "result.json").unlink()
    at = restored(copy)
    at.state.step, at.preemption.signalled = 81, True
    with pytest.raises(StopError) as caught:
        end(at)
    assert caught.value.signalled
    at.manager.wait()
    assert "step-00000081" in names(copy / "checkpoints")
    assert run_dir.read_result(str(copy)) is None


def test_who_is_stopped_by_a_signal_saves_where_it_is_and_fails(copy):
    at = restored(copy, steps=2000)
    at.state.step = 1081
    said = "^stopped at step 1,081 of 2,000, and saved; start it again with the same command to go"
    with pytest.raises(StoppedError, match=said):
        finish.stop(at.run, at.state, at.manager, StopError(signalled=True))
    assert "step-00001081" in names(copy / "checkpoints")


def test_whose_time_is_up_saves_where_it_is_and_ends_well(copy, capsys):
    at = restored(copy, steps=2000)
    at.state.step = 1081
    finish.stop(at.run, at.state, at.manager, StopError(signalled=False))
    line = "stopped at step 1,081 of 2,000, and saved: the time is up; resume with the same command"
    assert capsys.readouterr().out.splitlines() == [line]
    assert "step-00001081" in names(copy / "checkpoints")
