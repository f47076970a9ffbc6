"""What all actions of a run are: something that is due at some steps and acts on the state.

    class PrintStep(Periodic):
        def __call__(self, state): print(state.step)

In a cluster all workers have the same actions. What one decides by must be the same for all of
them, as the state is; what hangs on a worker's clock is put into `is_due_by_clock`, which the loop
sums over the workers.
"""

import dataclasses
from typing import ClassVar

from trainer.checkpoints.train_state import TrainState
from trainer.loop.step_planner import Period


class Action:
    """Something that a run does now and then.

    Attributes:
        end_reason: what `result.json` says of a run that it ends.
    """

    end_reason: ClassVar[str] = ""

    def next_step(self, step: int) -> int | None:
        """Return the first step after `step` that training must stop at for it; None for any."""
        return None

    def is_due(self, state: TrainState) -> bool:
        """Return whether to act where training has stopped."""
        raise NotImplementedError

    def is_due_by_clock(self) -> bool:
        """Return whether to act now, at whatever step, by the clock of this worker."""
        return False

    def is_owed(self, state: TrainState) -> bool:
        """Return whether a start begins with it, as the one before ended in the middle of it."""
        return False

    def ends_run(self, state: TrainState) -> bool:
        """Return whether the run is over, before its last step."""
        return False

    def __call__(self, state: TrainState) -> None:
        """Act on the state."""
        raise NotImplementedError


@dataclasses.dataclass
class Periodic(Action):
    """An action that is due at the steps of a period."""

    period: Period

    def next_step(self, step: int) -> int:
        """Return the next of these steps."""
        return self.period.next_step(step)

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is one of these steps."""
        return self.period.includes(state.step)


class AfterEvaluation(Action):
    """An action that is due where `Evaluate`, which comes before it, has acted."""

    def is_due(self, state: TrainState) -> bool:
        """Return whether there was an evaluation at this step."""
        return state.last_eval_step == state.step


def describe_wait(metric: str, state: TrainState) -> str:
    """Say for how many evaluations a number has not been better."""
    evals, delta = state.evals_since_best, state.min_delta
    better = f"better by more than {delta:g}" if delta else "better"
    return f"{metric} has not been {better} for {evals} evaluation{'s' * (evals > 1)}"
