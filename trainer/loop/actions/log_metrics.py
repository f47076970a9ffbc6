"""Logs what a run trained on since the last line."""

import dataclasses
from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Periodic


@dataclasses.dataclass
class LogMetrics(Periodic):
    """Writes a line of means, and begins new sums.

    Attributes:
        batch_size: global batch size.
        throughput: function that returns images per second since it was called last.
        log: function of step, split and values.
        check: function of state and loss that is called when all else is done.
    """

    batch_size: int
    throughput: Callable[[], float]
    log: Callable[[int, str, dict[str, float]], None]
    check: Callable[[TrainState, float], object] = lambda state, loss: None

    def __call__(self, state: TrainState) -> None:
        """Log loss, rank-1, throughput and learning rate."""
        loss, rank1 = state.mean_metrics(self.batch_size)
        values = {
            "loss": loss,
            "rank1": rank1,
            "images_per_second": round(self.throughput(), 1),
            "learning_rate": state.learning_rate,
        }
        self.log(state.step, "train", values)
        state.reset_sums()
        self.check(state, loss)
