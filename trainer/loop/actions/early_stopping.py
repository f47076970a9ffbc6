"""Ends a run that gets no better: `patience`."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

from trainer.checkpoints.train_state import TrainState
from trainer.evaluation import monitor
from trainer.loop.actions.action import AfterEvaluation, describe_wait


@dataclasses.dataclass
class EarlyStopping(AfterEvaluation):
    """Ends the run when evaluations have not been better for a while.

    Attributes:
        patience: number of evaluations after which the run ends; 0 for never.
        metric: name of the number that is not better, for the user.
        note: function that is called with lines for the user.
    """

    patience: int
    metric: str
    note: Callable[[str], None]
    end_reason: ClassVar[str] = "patience"

    def is_due(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step ends the run."""
        return super().is_due(state) and self.ends_run(state)

    def ends_run(self, state: TrainState) -> bool:
        """Return whether the run has waited long enough."""
        return monitor.should_stop(state.evals_since_best, self.patience)

    def __call__(self, state: TrainState) -> None:
        """Say that the run ends."""
        self.note(f"{describe_wait(self.metric, state)}: the run ends")
