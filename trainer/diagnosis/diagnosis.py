"""All signs that a run has shown so far."""

import dataclasses

import numpy as np

from trainer.diagnosis import signs
from trainer.diagnosis.curves import Curves, Rows, Setting, read_curves


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sign that was seen.

    Attributes:
        name: name of the sign.
        good: whether it is a good one.
        step: step at which it was seen first.
        epoch: the same in epochs.
        last_epoch: epoch at which it was seen last.
        sentence: what was seen then, and what to try; fields are named in backticks.
    """

    name: str
    good: bool
    step: int
    epoch: float
    last_epoch: float
    sentence: str


class Diagnosis:
    """The signs of a run, which are looked for at each evaluation; without any, after each epoch.

    It hangs on the rows alone: a run that resumes has shown what it had shown before.

    Attributes:
        findings: signs that were seen, by name, in the order in which they were.
        epoch: epoch of the last look.
    """

    def __init__(self, setting: Setting) -> None:
        self.findings: dict[str, Finding] = {}
        self.epoch = 0.0
        self._setting, self._step = setting, 0

    def extend(self, rows: Rows) -> list[Finding]:
        """Look at what was logged since the last call.

        Args:
            rows: all rows of `metrics.jsonl` so far.

        Returns:
            Signs that had not been seen before.
        """
        curves, before = read_curves(rows), len(self.findings)
        for step in _moments(curves):
            if step > self._step:
                self._look(curves.up_to(step), step)
        return list(self.findings.values())[before:]

    def _look(self, curves: Curves, step: int) -> None:
        self._step = step
        self.epoch = max(float(curve.epoch[-1]) for curve in curves if len(curve))
        is_finite = all(curve.is_finite for curve in curves)
        for sign in signs.SIGNS:
            if not is_finite and sign.find is not signs.not_a_number:
                continue
            if sentence := sign.find(curves, self._setting):
                epoch = self.epoch
                new = Finding(sign.name, sign.good, step, epoch, epoch, sentence)
                first = self.findings.get(sign.name, new)
                self.findings[sign.name] = dataclasses.replace(first, last_epoch=epoch)


def _moments(curves: Curves) -> list[int]:
    """Return the steps to look at."""
    train, validation = curves
    lost = train.step[~np.isfinite(train.loss)]
    steps = np.union1d(validation.step, lost) if len(validation) else train.step
    return [int(step) for step in steps]
