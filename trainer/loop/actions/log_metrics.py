"""Logs what a run trained on since the last line."""

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Action
from trainer.loop.step_planner import Period
from trainer.reporting.metrics_log import Journal
from trainer.reporting.throughput import Rate


class LogMetrics(Action):
    """Writes a line of means, and begins new sums."""

    def __init__(
        self, period: Period, batch_size: int, throughput: Rate, metrics_log: Journal | None
    ) -> None:
        """Make the action.

        Args:
            period: steps to log at.
            batch_size: global batch size.
            throughput: throughput of the run.
            metrics_log: log to write to; None in a process that writes nothing.
        """
        self._period, self._batch_size = period, batch_size
        self._throughput, self._metrics_log = throughput, metrics_log

    def next_step(self, step: int) -> int:
        """Return the next step to log at."""
        return self._period.next_step(step)

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is a step to log at."""
        return self._period.includes(state.step)

    def __call__(self, state: TrainState) -> None:
        """Log loss, rank-1, throughput and learning rate."""
        loss, rank1 = state.mean_metrics(self._batch_size)
        values = {
            "loss": loss,
            "rank1": rank1,
            "images_per_second": round(self._throughput.since_log(), 1),
            "learning_rate": state.learning_rate,
        }
        if self._metrics_log is not None:
            self._metrics_log.log(state.step, "train", values)
        state.reset_sums()
