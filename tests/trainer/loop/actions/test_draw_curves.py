"""Drawing curves."""

from tests.trainer.loop.actions.states import state
from trainer import run_dir
from trainer.loop.actions.draw_curves import DrawCurves


def test_it_is_due_after_an_evaluation_in_the_process_that_writes():
    evaluated, trained = state(6, last_eval_step=6), state(7, last_eval_step=6)
    assert DrawCurves("run", writes=True).is_due(evaluated)
    assert not DrawCurves("run", writes=True).is_due(trained)
    assert not DrawCurves("run", writes=False).is_due(evaluated)


def test_it_draws_what_is_logged(tmp_path):
    run_dir.append_metrics(str(tmp_path), {"step": 6, "split": "train", "loss": 1.0, "rank1": 0.5})
    DrawCurves(str(tmp_path), writes=True)(state(6))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
