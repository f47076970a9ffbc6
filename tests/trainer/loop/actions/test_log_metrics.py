"""Logging what was trained on."""

import numpy as np

from tests.trainer.loop.actions.states import Log, state
from trainer.loop.actions.log_metrics import LogMetrics
from trainer.loop.step_planner import Period


def action(interval: int, log: Log) -> LogMetrics:
    return LogMetrics(Period(20, (interval,)), 4, lambda: 123.456, log)


def test_it_is_due_at_its_steps():
    log_metrics = action(8, Log())
    assert [log_metrics.next_step(step) for step in (0, 7, 8, 16)] == [8, 8, 16, 20]
    assert [step for step in range(1, 21) if log_metrics.is_due(state(step))] == [8, 16, 20]


def test_a_line_has_the_means_since_the_last_one_and_new_sums_begin():
    log, at = Log(), state(12, 0.1, sums_from_step=10, metric_sums=np.array([4.0, 6.0]))
    action(4, log)(at)
    values = {"loss": 0.5, "rank1": 0.75, "images_per_second": 123.5, "learning_rate": 0.1}
    assert log == [(12, "train", values)]
    assert (at.sums_from_step, at.metric_sums.tolist()) == (12, [0, 0])
