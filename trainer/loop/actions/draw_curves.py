"""Draws the curves of a run."""

import dataclasses

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import AfterEvaluation
from trainer.reporting import curves


@dataclasses.dataclass
class DrawCurves(AfterEvaluation):
    """Draws `curves.png` anew, if this process is the one that `writes` to the run directory."""

    workdir: str
    writes: bool

    def is_due(self, state: TrainState) -> bool:
        """Return whether there is something new to draw, by this process."""
        return self.writes and super().is_due(state)

    def __call__(self, state: TrainState) -> None:
        """Draw all that is logged."""
        curves.draw(self.workdir)
