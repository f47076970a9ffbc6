"""Evaluating while a run trains."""

from typing import Any

import numpy as np
import pytest

from tests.trainer.loop.actions.states import Log, state
from trainer.loop.actions.evaluate import Evaluate, Evaluator
from trainer.loop.step_planner import Period

RESULT = {"rank1": 0.5, "rank5": 0.75, "loss": 2.0, "records": 8}


def action(metric: str = "rank1", log: Log | None = None, notes: Log | None = None) -> Evaluate:
    logs = (Log() if each is None else each for each in (log, notes))
    return Evaluate(Period(20, (6,)), "validation", lambda split: RESULT, metric, *logs)


def test_it_is_due_at_its_steps():
    assert [action().next_step(step) for step in (0, 6, 18)] == [6, 12, 20]
    assert [step for step in range(1, 21) if action().is_due(state(step))] == [6, 12, 18, 20]


@pytest.mark.parametrize(("step", "last", "owed"), [(6, 0, True), (6, 6, False), (7, 0, False)])
def test_it_is_owed_where_a_start_ended_before_it_counted(step, last, owed):
    assert action().is_owed(state(step, last_eval_step=last)) is owed


@pytest.mark.parametrize(("metric", "score"), [("rank1", 0.5), ("loss", -2.0)])
def test_a_result_is_logged_told_and_counted(metric, score):
    log, notes, at = Log(), Log(), state(6)
    action(metric, log, notes)(at)
    assert log == [(6, "validation", RESULT)]
    assert notes == [(6, "validation", RESULT)]
    assert (at.best_score, at.evals_since_best, at.last_eval_step) == (score, 0, 6)
    at.step = 12
    action(metric, log, notes)(at)
    assert (at.best_score, at.evals_since_best, at.last_eval_step) == (score, 1, 12)


class Data:
    """Batches that are numbers, the last one that of the step."""

    def evaluation(self, split: str, step: int) -> tuple[list[int], None]:
        return [1, 2, step], None


DATA: Any = Data()


def test_a_split_is_evaluated_once_at_a_step():
    at = state(6)
    batches: list = []

    def count(numbers) -> dict[str, Any]:
        batches.append([*numbers])
        return {**RESULT, "confusion": np.eye(3)}

    evaluator = Evaluator(at, DATA, count, lambda: None)
    assert evaluator("test") == evaluator("test") == RESULT
    evaluator("validation")
    assert evaluator("test") == RESULT
    assert batches == [[1, 2, 6]] * 2
    at.step = 7
    evaluator("test")
    assert batches[2:] == [[1, 2, 7]]


def test_an_evaluation_stops_between_batches_and_is_made_again():
    batches: list = []
    stops = iter([False, True, False, False, False])

    def sync_stop() -> None:
        if next(stops):
            raise InterruptedError

    def note(numbers) -> dict[str, float]:
        batches.extend(numbers)
        return RESULT

    evaluator = Evaluator(state(6), DATA, note, sync_stop)
    with pytest.raises(InterruptedError):
        evaluator("test")
    assert batches == [1]
    assert evaluator("test") == RESULT
    assert batches == [1, 1, 2, 6]


@pytest.mark.parametrize(("split", "others"), [("validation", 0.25), (None, 0.5)])
def test_labels_of_other_splits_begin_where_those_of_the_watched_one_do(split, others):
    at, evaluated = state(6), []

    def evaluate(numbers, threshold: float | None = None) -> dict[str, float]:
        evaluated.append(threshold)
        list(numbers)
        return {**RESULT, "map": 0.5, "f1": 0.5, "macro_f1": 0.5, "threshold": threshold or 0.25}

    evaluator = Evaluator(at, DATA, evaluate, lambda: None, True, split)
    test = evaluator("test")
    assert (test["threshold"], test["map"]) == (others, 0.5)
    evaluator("test")
    if split:
        assert evaluator(split)["threshold"] == 0.25
    assert evaluated == ([None, 0.25] if split else [0.5])


def test_a_run_may_go_by_the_mean_average_precision():
    at = state(6)
    found = {**RESULT, "map": 0.625}
    logs = Log(), Log()
    Evaluate(Period(20, (6,)), "validation", lambda split: found, "map", *logs)(at)
    assert at.best_score == 0.625
    assert [*logs[0]] == [*logs[1]] == [(6, "validation", found)]
