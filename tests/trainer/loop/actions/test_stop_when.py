"""Ending a run that has reached what it is for."""

from typing import Any, cast

import pytest
import tensorflow as tf

from tests.trainer.loop.actions.states import Log, state
from tests.trainer.loop.actions.test_evaluate import DATA
from trainer.checkpoints.train_state import DivergedError
from trainer.config import objectives
from trainer.config.training import MONITORS
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.loop.actions.evaluate import Evaluate, Evaluator
from trainer.loop.actions.stop_when import StopWhen
from trainer.loop.step_planner import Period

EVALUATIONS = [
    {"rank1": 0.5, "rank5": 1.0, "loss": 1.25, "records": 8},
    {"rank1": 0.75, "rank5": 1.0, "loss": 1.5, "records": 8},
    {"rank1": 0.625, "rank5": 1.0, "loss": 0.75, "records": 8},
    {"rank1": 0.875, "rank5": 1.0, "loss": 0.5, "records": 8},
]


def action(text: str, evaluator, notes: list[str] | None = None) -> StopWhen:
    note = (lambda line: None) if notes is None else notes.append
    return StopWhen(objectives.parse(text, MONITORS), "validation", evaluator, note)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("rank1>=0.75", 2),
        ("rank1>0.75", 4),
        ("loss<1", 3),
        ("loss<=0.5", 4),
        ("rank1>=0.75,loss<1", 4),
        ("rank5<1", None),
        ("", None),
    ],
)
def test_a_run_ends_at_the_first_evaluation_that_meets_all_objectives(text, end):
    at, results = state(), iter(EVALUATIONS)
    evaluator = Evaluator(at, DATA, lambda batches: next(results), lambda: None)
    log = Log()
    evaluate = Evaluate(Period(24, (6,)), "validation", evaluator, "rank1", log, log)
    stop_when = action(text, evaluator)
    ends = []
    for number in range(1, 5):
        at.step = 6 * number - 1
        assert not (stop_when.is_due(at) or stop_when.ends_run(at))
        at.step += 1
        evaluate(at)
        if stop_when.ends_run(at):
            assert stop_when.is_due(at)
            ends.append(number)
    assert ends[:1] == ([end] if end else [])


def test_the_end_is_told_with_what_was_reached():
    notes: list[str] = []
    action("rank1>=0.75, loss<2", lambda split: EVALUATIONS[1], notes)(state(6, last_eval_step=6))
    assert notes == [
        "rank1 is 0.75, loss is 1.5, as `stop_when`=rank1>=0.75,loss<2.0: the run ends"
    ]


def test_a_start_takes_the_last_evaluation_from_the_log_if_it_has_it():
    """And else evaluates again."""

    def evaluate(batches) -> Any:
        raise AssertionError("evaluated")

    rows: list[dict[str, Any]] = [
        {"step": 6, "split": "validation", **EVALUATIONS[3]},
        {"step": 12, "split": "train", "loss": 0.1},
        {"step": 12, "split": "validation", **EVALUATIONS[2]},
    ]
    collectives = Collectives(tf.distribute.get_strategy(), Cluster())
    at = state(12, last_eval_step=12)
    evaluator = Evaluator(at, DATA, evaluate, lambda: None)
    evaluator.recall("validation", rows, collectives)
    assert evaluator("validation") == EVALUATIONS[2]
    assert action("loss<1", evaluator).ends_run(at)
    assert not action("rank1>0.75", evaluator).ends_run(at)
    evaluator.forget()
    for unknown in (
        rows[:2],
        [{**rows[2], "loss": float("nan")}],
        [{"step": 12, "split": "validation"}],
    ):
        evaluator.recall("validation", unknown, collectives)
        with pytest.raises(AssertionError, match="evaluated"):
            evaluator("validation")


def test_an_evaluation_whose_loss_is_no_number_ends_the_run():
    result = {**EVALUATIONS[0], "loss": float("inf")}
    log, at = Log(), state(6)
    evaluator = Evaluator(at, DATA, lambda batches: cast(Any, result), lambda: None)
    evaluate = Evaluate(Period(24, (6,)), "validation", evaluator, "rank1", log, log)
    with pytest.raises(
        DivergedError, match=r"^the loss of validation is inf at step 6; lower"
    ) as caught:
        evaluate(at)
    assert (caught.value.batch_step, at.last_eval_step, log) == (5, 0, [])
