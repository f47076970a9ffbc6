"""Lowers the learning rate on a plateau: `reduce_lr_patience`."""

import dataclasses
from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.evaluation import monitor
from trainer.loop.actions.action import AfterEvaluation, describe_wait


@dataclasses.dataclass
class ReduceLearningRate(AfterEvaluation):
    """Multiplies the learning rate when evaluations have not been better for a while.

    Attributes:
        patience: number of evaluations after which it acts, each time anew; 0 for never.
        factor: factor of the learning rate, between 0 and 1.
        metric: name of the number that is not better, for the user.
        note: function that is called with lines for the user.
    """

    patience: int
    factor: float
    metric: str
    note: Callable[[str], None]

    def is_due(self, state: TrainState) -> bool:
        """Return whether the plateau has lasted as long again."""
        return super().is_due(state) and monitor.should_reduce_lr(
            state.evals_since_best, self.patience
        )

    def __call__(self, state: TrainState) -> None:
        """Lower the learning rate."""
        state.base_learning_rate *= self.factor
        lower = state.learning_rate
        wait = describe_wait(self.metric, state)
        self.note(f"{wait}: the learning rate is {lower:.3g} from now on")
