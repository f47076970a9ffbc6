"""What a person sees of a run where the output is no terminal."""

import re

from trainer.reporting.progress import TrainingProgress


def update(progress, step):
    progress.update(step, loss=1.25, rank1=0.5, images_per_second=1234.4, learning_rate=0.01)


def test_the_last_step_is_always_shown_with_all_numbers(capsys):
    with TrainingProgress(steps=50) as progress:
        for step in range(41, 51):
            update(progress, step)
        progress.note("[bold]a line as it is[/bold]")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 50/50  loss 1.2500  rank-1 0.5000  1,234 images/s  lr 0.01")
    assert lines[0].endswith("0:00:00 left")
    assert lines[1:] == ["[bold]a line as it is[/bold]"]


def test_a_terminal_shows_every_update(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with TrainingProgress(steps=10) as progress:
        update(progress, 1)
        update(progress, 7)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert "step 7/10" in shown
    assert "1,234 images/s" in shown


def test_an_evaluation_is_a_line_with_what_it_has(capsys):
    one = {"loss": 0.5, "rank1": 0.75, "rank5": 1.0, "records": 8}
    with TrainingProgress(steps=10) as progress:
        progress.note_evaluation(2.0, "validation", one)
        progress.note_evaluation(2.0, "validation", {**one, "map": 0.25, "f1": 0.125})
    said = "epoch 2  validation: loss 0.5000  rank-1 0.7500  rank-5 1.0000"
    assert capsys.readouterr().out.splitlines() == [said, f"{said}  mAP 0.2500  F1 0.1250"]
