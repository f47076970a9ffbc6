"""Saves checkpoints to go on from."""

import dataclasses
import time

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Periodic


@dataclasses.dataclass
class SaveCheckpoint(Periodic):
    """Saves the state, at some steps and by the clock.

    Attributes:
        every_seconds: seconds between checkpoints; 0 for not by the clock.
        manager: manager of the run's checkpoints.
    """

    every_seconds: float
    manager: CheckpointManager

    def __post_init__(self) -> None:
        self._last_time = time.monotonic()

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is a step to save at, or to save again with its evaluation."""
        return super().is_due(state) or self.manager.latest_step == state.step

    def is_due_by_clock(self) -> bool:
        """Return whether the last one was so many seconds ago."""
        elapsed = time.monotonic() - self._last_time
        return bool(self.every_seconds) and elapsed >= self.every_seconds

    def __call__(self, state: TrainState) -> None:
        """Save."""
        self.manager.save()
        self._last_time = time.monotonic()
