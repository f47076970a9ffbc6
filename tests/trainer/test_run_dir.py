"""Metrics of a run that was killed."""

from trainer import run_dir


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path):
    for step in (1, 2, 3):
        run_dir.append_metrics(str(tmp_path), {"step": step, "loss": 0.5})
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[:-4])
    assert [row["step"] for row in run_dir.read_metrics(str(tmp_path))] == [1, 2]


def test_lines_after_the_checkpoint_are_dropped(tmp_path):
    for step in (10, 20, 30):
        run_dir.append_metrics(str(tmp_path), {"step": step, "loss": 0.5})
    run_dir.forget_metrics_after(str(tmp_path), 20)
    assert [row["step"] for row in run_dir.read_metrics(str(tmp_path))] == [10, 20]
    run_dir.append_metrics(str(tmp_path), {"step": 30, "loss": 0.4})
    assert [row["step"] for row in run_dir.read_metrics(str(tmp_path))] == [10, 20, 30]


def test_a_run_without_metrics_has_none(tmp_path):
    assert run_dir.read_metrics(str(tmp_path)) == []
    assert run_dir.read_result(str(tmp_path)) is None
