"""The training loop: it trains up to the next step at which an action is due, and lets it act.

    loop = TrainLoop(config, state, data, step_fns, collectives, preemption, progress)
    loop.run([LogMetrics(…), Evaluate(…), …, SaveCheckpoint(…)])

The order of the actions is a promise: log, evaluate, save. So what a checkpoint's step has logged
is all there when a run resumes from it, and what came after it is dropped and made again. A run
that is told to stop is saved wherever it is; sums that are not logged yet are part of the state,
and an evaluation that was due is made first when it goes on. The state knows the last evaluation
that counts in it, whatever the log says: none is counted twice, or not at all.

In a cluster all workers run this, step by step together, and the chief alone writes.
"""

import math
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf

from input.loading import read_records
from trainer.checkpoints.train_state import DivergedError, TrainState
from trainer.config.run import RunConfig
from trainer.distribution.collectives import Collectives
from trainer.distribution.preemption import Preemption
from trainer.loop import step_planner
from trainer.loop.actions.action import Action
from trainer.loop.train_step import StepFns
from trainer.reporting.progress import TrainingProgress
from trainer.reporting.throughput import Throughput
from trainer.run_data import Data

_SECONDS_PER_CALL = 1.0


class StopError(Exception):
    """Training ends here, for now; `signalled`, or else because the time is up."""

    def __init__(self, signalled: bool) -> None:
        super().__init__()
        self.signalled = signalled


class TrainLoop:
    """Trains a state from where it is.

    Attributes:
        throughput: throughput of this start.
    """

    def __init__(
        self,
        config: RunConfig,
        state: TrainState,
        data: Data,
        step_fns: StepFns,
        collectives: Collectives,
        preemption: Preemption,
        progress: TrainingProgress,
    ) -> None:
        self.throughput = Throughput()
        self._config, self._state, self._data = config, state, data
        self._collectives, self._preemption, self._progress = collectives, preemption, progress
        self._step_fns, self._train_steps = step_fns, step_fns.make_train()
        self._zero_sums = step_fns.first_sums((0.0, 0.0))
        self._sums = step_fns.first_sums(state.metric_sums.tolist())
        self._counted_from = state.step  # steps that `finite_steps` counts
        self._count_evaluations()

    def run(self, actions: Sequence[Action]) -> str:
        """Train to the end.

        Returns:
            Why it is the end: the reason of the action that ended the run, or `steps`.

        Raises:
            StopError: before it, at a call's end or in an evaluation; nothing is saved yet.
            DivergedError: a loss is not finite, or far too high.
            UserError: a record is damaged.
        """
        state, end = self._state, self._config.training.steps
        owed = [number for number, action in enumerate(actions) if action.is_owed(state)]
        if owed:
            self._act(actions[owed[0] :])
        batches: Iterator | None = None
        while not (reasons := _end_reasons(state, actions)) and state.step < end:
            batches = batches or iter(self._data.training(state.step))
            steps = [action.next_step(state.step) for action in actions]
            self._train_to(min([end, *filter(None, steps)]), batches, actions)
            self._act(actions)
        return reasons[0] if reasons else "steps"

    def sync_stop(self, *values: float) -> list[float]:
        """Sum values over all workers, which decide by them as one.

        Raises:
            StopError: one of them is to stop.
        """
        signalled, late = self._preemption.signalled, self._preemption.deadline_passed
        signals, deadlines, *sums = self._collectives.all_reduce_sum(signalled, late, *values)
        if signals or deadlines:
            raise StopError(signalled=signals > 0)
        return sums

    def remake_steps(self) -> None:
        """Train those layers from here on that are to train now."""
        self._train_steps = self._step_fns.make_train()

    def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if action.is_due(self._state):
                action(self._state)

    def _train_to(self, step: int, batches: Iterator, actions: Sequence[Action]) -> None:
        """Train in calls of about a second; add to the sums that wait for the next log line."""
        if self._state.sums_from_step == self._state.step:
            self._sums, self._counted_from = self._zero_sums, self._state.step
        while self._state.step < step:
            self._call(batches, self._plan_call(step, actions))

    def _plan_call(self, step: int, actions: Sequence[Action]) -> int:
        """Return how many steps the next call takes: the same for all workers, whatever their
        clocks say. Before the first call a step is run by itself.

        Raises:
            StopError: a worker is to stop.
        """
        is_first = not self.throughput.calls
        seconds = (
            _SECONDS_PER_CALL if is_first else self._config.data.batch_size / self.throughput.mean
        )
        seconds, *due = self.sync_stop(seconds, *(action.is_due_by_clock() for action in actions))
        for action, workers in zip(actions, due, strict=True):
            if workers:
                action(self._state)
        return step_planner.steps_per_loop(
            step - self._state.step,
            seconds / self._collectives.workers,
            _SECONDS_PER_CALL,
            1 if is_first else self._step_fns.min_steps_per_loop,
        )

    def _call(self, batches: Iterator, count: int) -> None:
        state, batch_size = self._state, self._config.data.batch_size
        started = time.perf_counter()
        with read_records.reader_errors(self._data.reader):
            self._sums = self._train_steps(batches, tf.constant(count, tf.int64), self._sums)
        state.metric_sums = self._step_fns.total(self._sums)
        seconds = time.perf_counter() - started
        state.step += count
        self._count_evaluations()
        self._preemption.has_work = True
        loss, rank1 = state.mean_metrics(batch_size)
        self._progress.update(
            state.step,
            loss=loss,
            rank1=rank1,
            images_per_second=self.throughput.add(count * batch_size, seconds),
            learning_rate=state.learning_rate,
        )
        if not math.isfinite(loss):
            step = self._first_bad_step(count)
            raise DivergedError(f"the loss is {loss}", step, step)

    def _first_bad_step(self, count: int) -> int:
        """Return the step of the last call whose loss was first no number, on any worker."""
        start = self._state.step - count
        finite = count
        if self._step_fns.finite_steps:
            finite = self._step_fns.finite_steps(self._sums) - (start - self._counted_from)
        sums = self._collectives.all_reduce_sum(*(float(index == finite) for index in range(count)))
        # Only the sum over replicas may be too large to be a number.
        return start + next((index for index, workers in enumerate(sums) if workers), count - 1)

    def _count_evaluations(self) -> None:
        """Take evaluations as made, as far as another process comes to them."""
        if not self._step_fns.evaluates_inline:
            self._state.last_eval_step = self._state.step


def _end_reasons(state: TrainState, actions: Sequence[Action]) -> list[str]:
    return [action.end_reason for action in actions if action.ends_run(state)]
