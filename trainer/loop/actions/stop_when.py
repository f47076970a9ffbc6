"""Ends a run that has reached what it is for: `stop_when`."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

from trainer.checkpoints.train_state import TrainState
from trainer.config import objectives
from trainer.config.objectives import Objective
from trainer.loop.actions.action import AfterEvaluation
from trainer.loop.actions.evaluate import Result


@dataclasses.dataclass
class StopWhen(AfterEvaluation):
    """Ends the run at an evaluation that meets all objectives.

    It holds no state: a start at the step of an evaluation looks at that again, and ends where
    objectives are met that may be others than those of the start before.

    Attributes:
        objectives: what to reach; nothing for never.
        split: what is evaluated.
        evaluator: function of a split to its result, which is that of the evaluation at this step.
        note: function that is called with lines for the user.
    """

    objectives: Sequence[Objective]
    split: str
    evaluator: Callable[[str], Result]
    note: Callable[[str], None]
    end_reason: ClassVar[str] = "objective"

    def is_due(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step ends the run."""
        return self.ends_run(state)

    def ends_run(self, state: TrainState) -> bool:
        """Return whether this is the step of an evaluation that meets the objectives."""
        is_evaluated = bool(self.objectives) and super().is_due(state)
        return is_evaluated and objectives.are_met(self.objectives, self.evaluator(self.split))

    def __call__(self, state: TrainState) -> None:
        """Say that the run ends."""
        result = self.evaluator(self.split)
        reached = ", ".join(f"{each.name} is {result[each.name]:.4g}" for each in self.objectives)
        self.note(f"{reached}, as `stop_when`={','.join(map(str, self.objectives))}: the run ends")
