"""Says in words what the curves of a run show."""

import dataclasses
from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import AfterEvaluation
from trainer.reporting.run_report import RunReport


@dataclasses.dataclass
class ReportSigns(AfterEvaluation):
    """Warns of bad signs, of each once, and writes `report.html` anew.

    Attributes:
        report: report of the run.
        note: function that is called with lines for the user.
        writes: whether this process is the one that writes to the run directory.
    """

    report: RunReport
    note: Callable[[str], None]
    writes: bool

    def is_due(self, state: TrainState) -> bool:
        """Return whether there is something new to look at, for this process."""
        return self.writes and super().is_due(state)

    def __call__(self, state: TrainState) -> None:
        """Look at all that is logged."""
        self.report.update(state.step, self.note)
