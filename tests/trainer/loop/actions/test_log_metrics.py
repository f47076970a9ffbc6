"""Logging what was trained on."""

import numpy as np

from tests.trainer.loop.actions.states import Log, state
from trainer.loop.actions.log_metrics import LogMetrics
from trainer.loop.step_planner import Period


class Throughput:
    def since_log(self) -> float:
        return 123.456


def test_it_is_due_at_its_steps():
    action = LogMetrics(Period(20, (8,)), 4, Throughput(), None)
    assert [action.next_step(step) for step in (0, 7, 8, 16)] == [8, 8, 16, 20]
    assert [step for step in range(1, 21) if action.is_due(state(step))] == [8, 16, 20]


def test_a_line_has_the_means_since_the_last_one_and_new_sums_begin():
    log, at = Log(), state(12, 0.1, sums_from_step=10, metric_sums=np.array([4.0, 6.0]))
    LogMetrics(Period(20, (4,)), 4, Throughput(), log)(at)
    values = {"loss": 0.5, "rank1": 0.75, "images_per_second": 123.5, "learning_rate": 0.1}
    assert log == [(12, "train", values)]
    assert (at.sums_from_step, at.metric_sums.tolist()) == (12, [0, 0])


def test_a_process_that_writes_nothing_begins_new_sums_as_the_others_do():
    at = state(12, sums_from_step=10, metric_sums=np.array([4.0, 6.0]))
    LogMetrics(Period(20, (4,)), 4, Throughput(), None)(at)
    assert (at.sums_from_step, at.metric_sums.tolist()) == (12, [0, 0])
