"""Saves the best checkpoint of a run."""

import dataclasses

from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import AfterEvaluation


@dataclasses.dataclass
class SaveBest(AfterEvaluation):
    """Saves what an evaluation found better than all before it."""

    manager: CheckpointManager

    def is_due(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step is the best one."""
        return super().is_due(state) and state.is_best

    def __call__(self, state: TrainState) -> None:
        """Save, in place of the best one before."""
        self.manager.save_best()
