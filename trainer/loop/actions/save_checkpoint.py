"""Saves checkpoints to go on from."""

import time

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Action
from trainer.loop.step_planner import Period


class SaveCheckpoint(Action):
    """Saves the state, at some steps and by the clock."""

    def __init__(self, period: Period, every_seconds: float, manager: CheckpointManager) -> None:
        """Make the action.

        Args:
            period: steps to save at.
            every_seconds: seconds between checkpoints; 0 for not by the clock.
            manager: manager of the run's checkpoints.
        """
        self._period, self._every_seconds, self._manager = period, every_seconds, manager
        self._last_time = time.monotonic()

    def next_step(self, step: int) -> int:
        """Return the next step to save at."""
        return self._period.next_step(step)

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is a step to save at, or to save again with its evaluation."""
        return self._period.includes(state.step) or self._manager.latest_step == state.step

    def is_due_by_clock(self) -> bool:
        """Return whether the last one was so many seconds ago."""
        elapsed = time.monotonic() - self._last_time
        return bool(self._every_seconds) and elapsed >= self._every_seconds

    def __call__(self, state: TrainState) -> None:
        """Save."""
        self._manager.save()
        self._last_time = time.monotonic()
