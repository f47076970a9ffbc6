"""Ends a run that gets no better: `--patience`."""

from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.evaluation import monitor
from trainer.loop.actions.action import AfterEvaluation, describe_wait


class EarlyStopping(AfterEvaluation):
    """Ends the run when evaluations have not been better for a while."""

    def __init__(self, patience: int, metric: str, note: Callable[[str], None]) -> None:
        """Make the action.

        Args:
            patience: number of evaluations after which the run ends; 0 for never.
            metric: name of the number that is not better, for the user.
            note: function that is called with lines for the user.
        """
        self._patience, self._metric, self._note = patience, metric, note

    def is_due(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step ends the run."""
        return super().is_due(state) and self.ends_run(state)

    def ends_run(self, state: TrainState) -> bool:
        """Return whether the run has waited long enough."""
        return monitor.ends(state.evals_since_best, self._patience)

    def __call__(self, state: TrainState) -> None:
        """Say that the run ends."""
        self._note(f"{describe_wait(self._metric, state.evals_since_best)}: the run ends")
