"""Draws the curves of a run."""

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import AfterEvaluation
from trainer.reporting import curves


class DrawCurves(AfterEvaluation):
    """Draws `curves.png` anew after each evaluation."""

    def __init__(self, workdir: str, writes: bool) -> None:
        """Make the action.

        Args:
            workdir: run directory.
            writes: whether this process is the one that writes there.
        """
        self._workdir, self._writes = workdir, writes

    def is_due(self, state: TrainState) -> bool:
        """Return whether there is something new to draw, by this process."""
        return self._writes and super().is_due(state)

    def __call__(self, state: TrainState) -> None:
        """Draw all that is logged."""
        curves.draw(self._workdir)
