"""Ends the epochs of high dropout: `warm_start_epochs`."""

import dataclasses
from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Action
from trainer.transfer.heavy_dropout import HeavyDropout


@dataclasses.dataclass
class EndWarmStart(Action):
    """Goes back to the dropout of the model, with a fresh optimizer.

    It comes before all actions that save: what is saved at its step is what it leaves.

    Attributes:
        dropout: dropout of the run.
        reset_optimizer: function that lets the optimizer begin anew.
        remake_steps: function that makes the steps of training anew.
        note: function that is called with lines for the user.
    """

    dropout: HeavyDropout
    reset_optimizer: Callable[[], None]
    remake_steps: Callable[[], None]
    note: Callable[[str], None]

    def next_step(self, step: int) -> int | None:
        """Return the step of the end, if that is to come."""
        return self.dropout.end if step < self.dropout.end else None

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is the step of the end."""
        return 0 < self.dropout.end == state.step

    def __call__(self, state: TrainState) -> None:
        """Train from the weights as they are now."""
        self.dropout.apply(state.step)
        self.reset_optimizer()
        self.remake_steps()
        self.note(f"step {state.step:,}: a warm start; training begins with these weights")
