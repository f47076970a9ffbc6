"""Lets more layers train: `unfreeze`."""

import dataclasses
from collections.abc import Callable

from trainer.checkpoints.train_state import TrainState
from trainer.loop.actions.action import Action
from trainer.transfer.plan import Plan


@dataclasses.dataclass
class Unfreeze(Action):
    """Lets layers train from the steps on that a plan says.

    Attributes:
        plan: plan of the run.
        remake_steps: function that makes the steps of training anew.
        note: function that is called with lines for the user.
    """

    plan: Plan
    remake_steps: Callable[[], None]
    note: Callable[[str], None]

    def next_step(self, step: int) -> int | None:
        """Return the next step at which layers begin to train."""
        return self.plan.next_step(step)

    def is_due(self, state: TrainState) -> bool:
        """Return whether some begin to train at this step."""
        return state.step in self.plan.changes

    def __call__(self, state: TrainState) -> None:
        """Let them train."""
        self.plan.apply(state.step)
        self.remake_steps()
        names = [part.name for part in self.plan.parts if part.from_step == state.step]
        self.note(f"from step {state.step:,} on {', '.join(names)} train too")
