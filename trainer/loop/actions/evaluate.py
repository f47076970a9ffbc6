"""Evaluates a split while a run trains."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from input.loading import read_records
from trainer.checkpoints.train_state import DivergedError, TrainState
from trainer.distribution.collectives import Collectives
from trainer.evaluation import eval_step, monitor, multi_label
from trainer.loop.actions.action import Periodic
from trainer.optimization import ema
from trainer.run_data import Data

Result = dict[str, float]


@dataclasses.dataclass
class Evaluator:
    """Evaluates splits with the weights of a state, each split once at a step.

    Attributes:
        state: state of the run.
        data: data of the run.
        evaluate: function of batches, see `eval_step.make_evaluate`.
        sync_stop: function that is called before each batch, and raises an error to stop.
        multi_label: whether images have several labels.
        threshold_split: split whose best threshold of a label is that of all others; None for none.
    """

    state: TrainState
    data: Data
    evaluate: eval_step.Evaluate
    sync_stop: Callable[[], object]
    multi_label: bool = False
    threshold_split: str | None = None

    def __post_init__(self) -> None:
        self._results: dict[tuple[str, int], Result] = {}

    def __call__(self, split: str) -> Result:
        """Return the `NUMBERS` of a split.

        Raises:
            DivergedError: the loss is no number.
        """
        key = split, self.state.step
        if key not in self._results:
            self._results = {each: r for each, r in self._results.items() if each[1] == key[1]}
            self._results[key] = self._run(split)
            if not math.isfinite(loss := self._results[key]["loss"]):
                what = f"the loss of {split} is {loss}"
                raise DivergedError(what, self.state.step, self.state.step - 1)
        return self._results[key]

    def recall(
        self, split: str, rows: Sequence[Mapping[str, Any]], collectives: Collectives
    ) -> None:
        """Take the last result from the log, if it has that of the state's step.

        Args:
            split: split that is evaluated while the run trains.
            rows: lines of `metrics.jsonl`; those of the chief count.
            collectives: workers, which all call this.
        """
        found = [row for row in rows if (row["step"], row["split"]) == (self.state.step, split)]
        logged = found[-1] if found else {}
        numbers = collectives.broadcast(
            np.array([logged.get(name, math.nan) for name in eval_step.NUMBERS])
        )
        result = {
            name: number
            for name, number in zip(eval_step.NUMBERS, numbers.tolist(), strict=True)
            if math.isfinite(number)
        }
        if "loss" in result:
            self._results[split, self.state.step] = {**result, "records": int(result["records"])}

    def forget(self) -> None:
        """Evaluate anew from here on: the weights of this step are others now."""
        self._results = {}

    def _run(self, split: str) -> Result:
        threshold = self._threshold(split)
        batches, reader = self.data.evaluation(split, self.state.step)
        weights = ema.average_weights(self.state.optimizer)
        with read_records.reader_errors(reader), weights:
            result = self.evaluate(self._until_stop(batches), **threshold)
        return {name: result[name] for name in eval_step.NUMBERS if name in result}

    def _threshold(self, split: str) -> dict[str, float]:
        """Return the threshold of a label, if that is not for the split itself to choose."""
        if not self.multi_label or split == self.threshold_split:
            return {}
        if self.threshold_split is None:
            return {"threshold": multi_label.DEFAULT_THRESHOLD}
        return {"threshold": self(self.threshold_split)["threshold"]}

    def _until_stop(self, batches: Iterable) -> Iterator:
        for batch in batches:
            self.sync_stop()
            yield batch


@dataclasses.dataclass
class Evaluate(Periodic):
    """Evaluates the validation split, logs the result and counts it.

    Attributes:
        split: what to evaluate, as `input.dataset.split_spec` reads it.
        evaluator: function of a split to its result.
        metric: number that the run goes by, one of `trainer.config.training.MONITORS`.
        log: function of step, split and result.
        note: function of step, split and result, to show them to the user.
    """

    split: str
    evaluator: Callable[[str], Result]
    metric: str
    log: Callable[[int, str, Result], None]
    note: Callable[[int, str, Result], None]

    def is_owed(self, state: TrainState) -> bool:
        """Return whether the evaluation at this step was not made, or not counted."""
        return state.last_eval_step < state.step and self.is_due(state)

    def __call__(self, state: TrainState) -> None:
        """Evaluate, log, and count the result.

        Raises:
            DivergedError: the loss is no number.
        """
        result = self.evaluator(self.split)
        self.log(state.step, self.split, result)
        self.note(state.step, self.split, result)
        state.record_evaluation(monitor.score(result, self.metric))
