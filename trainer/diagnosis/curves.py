"""Curves of a run, as signs are read from them: a point an epoch, of rows of `metrics.jsonl`."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer.config.run import RunConfig

# Points that a trend is read from: with fewer than five, noise is a trend as well; and a plateau of
# less than a tenth of the run is none, however short its epochs are.
WINDOW_POINTS, WINDOW_PART = 5, 0.1
# Windows of so many times that length show under more noise what shorter ones do not.
_SCALES = (1, 2, 4)
# Metrics keep four digits of an epoch.
_EPOCH_DIGITS = 1e-4

Rows = Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a run beside its curves.

    Attributes:
        classes: number of classes, which says what guessing gives.
        epochs: epochs that the run is planned for.
        learning_rate: highest learning rate that is planned.
        transfer: name of the flag by which the run began with other weights, or an empty text.
    """

    classes: int = 10
    epochs: float = 20.0
    learning_rate: float = 0.01
    transfer: str = ""

    @classmethod
    def of(cls, config: RunConfig, steps_per_epoch: int) -> "Setting":
        """Return the setting of a run."""
        pretrained = "pretrained" if config.transfer.pretrained != "none" else ""
        return cls(
            len(config.dataset.classes),
            config.training.steps / steps_per_epoch,
            config.learning_rate,
            "init_from" if config.checkpoints.init_from else pretrained,
        )

    @property
    def chance(self) -> float:
        """Rank-1 of guessing."""
        return 1 / max(self.classes, 1)


@dataclasses.dataclass(frozen=True)
class Curve:
    """What was measured over epochs; float64 arrays of one length, in the order of the epochs.

    Attributes:
        step: steps that were taken.
        epoch: the same in epochs.
        loss: mean cross-entropy.
        rank1: part of the images whose class was named first.
        learning_rate: rate that training was at.
    """

    step: np.ndarray
    epoch: np.ndarray
    loss: np.ndarray
    rank1: np.ndarray
    learning_rate: np.ndarray

    def __len__(self) -> int:
        return len(self.epoch)

    def part(self, which: slice | np.ndarray) -> "Curve":
        """Return some of its points."""
        return Curve(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    def up_to(self, step: float) -> "Curve":
        """Return the points up to a step."""
        return self.part(self.step <= step)

    def between(self, first: float, last: float) -> "Curve":
        """Return the points of some epochs, both ends included."""
        margin = _EPOCH_DIGITS
        return self.part((self.epoch >= first - margin) & (self.epoch <= last + margin))

    def windows(self, setting: Setting) -> Iterator[tuple["Curve", int]]:
        """Yield the last points, long enough for a trend, and how many times the least length."""
        if len(self) < WINDOW_POINTS:
            return
        planned_points = setting.epochs / float(np.median(np.diff(self.epoch)))
        least = max(WINDOW_POINTS, math.ceil(WINDOW_PART * planned_points))
        for scale in _SCALES:
            if scale * least <= len(self):
                yield self.part(slice(-scale * least, None)), scale

    @property
    def is_finite(self) -> bool:
        """Whether all losses are numbers."""
        return bool(np.isfinite(self.loss).all())


class Curves(NamedTuple):
    """The curves of training and of what is watched meanwhile, which may have no points."""

    train: Curve
    validation: Curve

    def up_to(self, step: float) -> "Curves":
        """Return both up to a step."""
        return Curves(self.train.up_to(step), self.validation.up_to(step))


class Trend(NamedTuple):
    """A straight line through points.

    Attributes:
        change: by how much it rises from the first to the last of them.
        error: standard error of that.
        noise: standard deviation of the points from the line.
    """

    change: float
    error: float
    noise: float


def trend(x: np.ndarray, y: np.ndarray) -> Trend:
    """Fit a line to three points or more, by least squares."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    rest = y - y.mean() - slope * centred
    noise = math.sqrt(float(rest @ rest) / (len(x) - 2))
    span = float(x[-1] - x[0])
    return Trend(slope * span, noise / math.sqrt(spread) * span, noise)


def read_curves(rows: Rows) -> Curves:
    """Make curves of the rows of `metrics.jsonl`, in whatever order; of two of one step and split
    the later one counts, as where a run was resumed.

    The train rows of an epoch become one point, their mean by steps, once the epoch is over.
    """
    train = _sorted(row for row in rows if row["split"] == "train")
    splits = [row["split"] for row in rows if row["split"] != "train"]
    watched = _sorted(row for row in rows if splits and row["split"] == splits[-1])
    curve = _per_epoch(train)
    at = np.searchsorted([row["step"] for row in train], [row["step"] for row in watched])
    rates = [
        train[min(index, len(train) - 1)]["learning_rate"] if train else math.nan for index in at
    ]
    columns = [[row[name] for row in watched] for name in ("step", "epoch", "loss", "rank1")]
    return Curves(curve, _curve(*columns, rates))


def _sorted(rows: Iterator[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    by_step = {row["step"]: row for row in rows}
    return [by_step[step] for step in sorted(by_step)]


def _per_epoch(rows: Rows) -> Curve:
    if not rows:
        return _curve(*[[]] * 5)
    steps = np.array([row["step"] for row in rows], float)
    ends = np.array([row["epoch"] for row in rows], float)
    weights = np.diff(steps, prepend=0.0)
    number = np.ceil(ends - _EPOCH_DIGITS).astype(int)
    points = []
    for epoch in np.unique(number):
        own = number == epoch
        in_epoch = [row for row, is_own in zip(rows, own, strict=True) if is_own]
        is_over = in_epoch[-1]["epoch"] >= epoch - _EPOCH_DIGITS
        columns = [[row[name] for row in in_epoch] for name in ("loss", "rank1")]
        if not is_over and np.isfinite(columns).all():
            continue
        means = [float(np.average(column, weights=weights[own])) for column in columns]
        points.append(
            [
                *(in_epoch[-1][name] for name in ("step", "epoch")),
                *means,
                in_epoch[-1]["learning_rate"],
            ]
        )
    return _curve(*zip(*points, strict=True)) if points else _curve(*[[]] * 5)


def _curve(*columns: Sequence[float]) -> Curve:
    return Curve(*(np.array(column, float) for column in columns))
