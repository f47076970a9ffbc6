"""Warnings and the report, after an evaluation."""

from tests.trainer.loop.actions.states import state
from trainer import run_dir
from trainer.config.data import DataConfig
from trainer.config.model import ModelConfig
from trainer.config.run import RunConfig
from trainer.config.training import TrainingConfig
from trainer.diagnosis import examples
from trainer.loop.actions.report_signs import ReportSigns
from trainer.reporting.run_report import RunReport


def action(workdir, lines: list[str], writes: bool = True) -> ReportSigns:
    config = RunConfig(
        data=DataConfig(data_dir="data"),
        model=ModelConfig(name="lenet"),
        training=TrainingConfig(steps=15 * examples.STEPS_PER_EPOCH),
    )
    report = RunReport(str(workdir), config, examples.STEPS_PER_EPOCH)
    return ReportSigns(report, lines.append, writes)


def test_it_is_due_after_an_evaluation_in_the_process_that_writes(tmp_path):
    evaluated, trained = state(6, last_eval_step=6), state(7, last_eval_step=6)
    assert action(tmp_path, []).is_due(evaluated)
    assert not action(tmp_path, []).is_due(trained)
    assert not action(tmp_path, [], writes=False).is_due(evaluated)


def test_each_bad_sign_is_said_when_it_is_seen_and_by_a_later_start_no_more(tmp_path):
    lines: list[str] = []
    first = action(tmp_path, lines)
    said = {}
    for row in examples.overfitting().rows:
        run_dir.append_metrics(str(tmp_path), row)
        if row["split"] == "validation":
            first(state(row["step"], last_eval_step=row["step"]))
            said[row["step"]] = len(lines)
    assert said[700] == 0
    assert (said[800], said[900], said[1500]) == (1, 2, 2)
    assert all(line.startswith("warning: ") for line in lines)
    assert "overfitting" in lines[0]
    later: list[str] = []
    action(tmp_path, later)(state(1500, last_eval_step=1500))
    assert later == []
    page = (tmp_path / "report.html").read_text()
    for name in ("bad: validation stays behind", "bad: opposite ways", "good: fast start"):
        assert name in page
