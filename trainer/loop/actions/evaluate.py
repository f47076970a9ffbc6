"""Evaluates a split while a run trains."""

from collections.abc import Callable, Iterable, Iterator

from input.loading import read_records
from trainer.checkpoints.train_state import TrainState
from trainer.evaluation import monitor
from trainer.loop.actions.action import Action
from trainer.loop.step_planner import Period
from trainer.loop.train_step import Evaluate as EvaluateFn
from trainer.optimization import ema
from trainer.reporting.metrics_log import Journal
from trainer.run_data import Data

Result = dict[str, float]


class Evaluator:
    """Evaluates splits with the weights of a state, each split once at a step."""

    def __init__(
        self,
        state: TrainState,
        data: Data,
        evaluate: EvaluateFn,
        sync_stop: Callable[[], object],
    ) -> None:
        """Make an evaluator.

        Args:
            state: state of the run.
            data: data of the run.
            evaluate: function of batches, see `train_step.make_evaluate`.
            sync_stop: function that is called before each batch, and raises an error to stop.
        """
        self._state, self._data = state, data
        self._evaluate, self._sync_stop = evaluate, sync_stop
        self._results: dict[tuple[str, int], Result] = {}

    def __call__(self, split: str) -> Result:
        """Return `rank1`, `rank5`, `loss` and `records` of a split."""
        key = split, self._state.step
        if key not in self._results:
            self._results = {each: r for each, r in self._results.items() if each[1] == key[1]}
            self._results[key] = self._run(split)
        return self._results[key]

    def _run(self, split: str) -> Result:
        batches, reader = self._data.evaluation(split)
        weights = ema.average_weights(self._state.model, self._state.optimizer)
        with read_records.errors_of(reader), weights:
            result = self._evaluate(self._until_stop(batches))
        return {name: result[name] for name in ("rank1", "rank5", "loss", "records")}

    def _until_stop(self, batches: Iterable) -> Iterator:
        for batch in batches:
            self._sync_stop()
            yield batch


class Evaluate(Action):
    """Evaluates the validation split, logs the result and counts it."""

    def __init__(
        self,
        period: Period,
        split: str,
        evaluator: Callable[[str], Result],
        metric: str,
        metrics_log: Journal | None,
        note: Callable[[int, str, Result], None],
    ) -> None:
        """Make the action.

        Args:
            period: steps to evaluate at.
            split: what to evaluate, as `input.dataset.split_spec` reads it.
            evaluator: function of a split to its result.
            metric: number that the run goes by, one of `monitor.NAMES`.
            metrics_log: log to write to; None in a process that writes nothing.
            note: function that is called with step, split and result, to show them to the user.
        """
        self._period, self._split, self._evaluator = period, split, evaluator
        self._metric, self._metrics_log, self._note = metric, metrics_log, note

    def next_step(self, step: int) -> int:
        """Return the next step to evaluate at."""
        return self._period.next_step(step)

    def is_due(self, state: TrainState) -> bool:
        """Return whether this is a step to evaluate at."""
        return self._period.includes(state.step)

    def is_owed(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step was not made, or not counted."""
        return state.last_eval_step < state.step and self.is_due(state)

    def __call__(self, state: TrainState) -> None:
        """Evaluate, log, and count the result."""
        result = self._evaluator(self._split)
        if self._metrics_log is not None:
            self._metrics_log.log(state.step, self._split, result)
        self._note(state.step, self._split, result)
        state.record_evaluation(monitor.worth(result, self._metric))
