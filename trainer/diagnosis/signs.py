"""The nine signs by which Ferlitsch, The Idiomatic Programmer, 2019, tells a good training from a
bad one, read from its curves; docs/signs.md says how each is meant.

A sign is a function of the curves so far to a sentence, or None where it is not seen. It names
fields in backticks, as errors do. None of them speaks of what is learnt already, or of a rate that
is low by plan: that a curve is level there is no fault.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trainer.diagnosis import negative_transfer, words
from trainer.diagnosis.curves import Curve, Curves, Setting, Trend, trend

Sign = Callable[[Curves, Setting], str | None]

# By the third epoch the loss is to be this much lower, as a part of that of the first. Good runs of
# the book's CIFAR-100 network lose 0.16 to 0.19 by then, those that learn nothing 0.01.
_BIG_DROP, _BIG_DROP_EPOCH = 0.1, 3
# A loss that falls by a smaller part of itself over a window, half a percent an epoch of five, has
# stopped falling.
_TINY = 0.025
# Trends are believed up to so many standard errors: noise alone goes further about once in forty.
_SURE = 2.0
# Points of a good sign. What is good may be said early: nobody acts upon it.
_FEW = 3
# Rank-1 may be this much lower on validation than in training and still follow it.
_MODEST_GAP = 0.1
# A change of rank-1 over a window that is more than noise, and the part of training's change that
# validation has to share.
_RISE, _SHARE = 0.02, 0.25
# Above this rank-1 there is nothing to warn of: losses are small, and level or jumping.
_LEARNED = 0.95
# Where a schedule has come down to this part of the highest rate, or not yet up to it, a level
# curve is what it is for. A step of ten times less counts as low.
_LOW_RATE = 0.1001
# A validation loss that lies so far from its trend, as a part of its level, swings; noise of a
# small validation split is a few hundredths.
_SWING, _TURNS = 0.1, 0.5


def fast_start(curves: Curves, setting: Setting) -> str | None:
    """Find a training loss that falls by a lot from the first epoch to the third."""
    early = curves.train.between(1, _BIG_DROP_EPOCH)
    if len(early) < _BIG_DROP_EPOCH:
        return None
    first, third = early.loss[0], early.loss[-1]
    if third > first * (1 - _BIG_DROP):
        return None
    return (
        f"the training loss fell from {first:.3f} in epoch 1 to {third:.3f} in epoch "
        f"{_BIG_DROP_EPOCH}: the model learns, and the learning rate suits it"
    )


def training_plateau(curves: Curves, setting: Setting) -> str | None:
    """Find a training loss that falls no more, or by tiny amounts; or that rises."""
    for window, scale in curves.train.windows(setting):
        loss = trend(window.epoch, window.loss)
        falls_at_most = -loss.change + _SURE * loss.error
        if falls_at_most < scale * _TINY * _level(window) and not _is_excused(
            window, curves, setting
        ):
            return words.training_plateau(
                window, loss, bool(_level(window) < (1 - _BIG_DROP) * curves.train.loss[0])
            )
    return None


def not_a_number(curves: Curves, setting: Setting) -> str | None:
    """Find a loss that is no number."""
    for name, curve in (("training", curves.train), ("validation", curves.validation)):
        for epoch, loss in zip(curve.epoch, curve.loss, strict=True):
            if not np.isfinite(loss):
                return words.not_a_number(name, epoch, loss, setting)
    return None


def validation_follows(curves: Curves, setting: Setting) -> str | None:
    """Find a rank-1 on validation that rises beside that of training, a little lower or higher."""
    validation = curves.validation.part(slice(-_FEW, None))
    if len(validation) < _FEW:
        return None
    train = curves.train.between(validation.epoch[0], validation.epoch[-1])
    if len(train) < _FEW:
        return None
    gap = np.interp(validation.epoch, train.epoch, train.rank1) - validation.rank1
    rises = trend(train.epoch, train.rank1).change, trend(validation.epoch, validation.rank1).change
    is_parallel = min(rises) > _RISE / 2 and rises[1] > _SHARE * rises[0]
    is_learned = train.rank1[-1] > _LEARNED
    if np.abs(gap).max() > _MODEST_GAP or not (is_parallel or is_learned):
        return None
    return (
        f"rank-1 on validation goes with that of training (epoch {validation.epoch[-1]:g}: "
        f"{validation.rank1[-1]:.3f} and {train.rank1[-1]:.3f}): what the model learns holds for "
        "images that it was not trained on"
    )


def validation_stays_behind(curves: Curves, setting: Setting) -> str | None:
    """Find a rank-1 on validation that stands still while that of training changes."""
    for window, train, _ in _paired_windows(curves, setting):
        ours, theirs = trend(window.epoch, window.rank1), trend(train.epoch, train.rank1)
        gain = theirs.change - _SURE * theirs.error
        loss_of_train = -theirs.change - _SURE * theirs.error
        gap = train.rank1[-1] - window.rank1[-1]
        gains_at_most = ours.change + _SURE * ours.error
        if gain > _RISE and gains_at_most < max(_RISE / 2, _SHARE * gain) and gap > _MODEST_GAP:
            return words.overfitting(window, train)
        if loss_of_train > _RISE and abs(ours.change) + _SURE * ours.error < _RISE / 2:
            return words.training_worsens(window, train, "stands still")
    return None


def opposite_ways(curves: Curves, setting: Setting) -> str | None:
    """Find a loss on validation that gets worse while that of training gets better, or a rank-1
    on validation that gets better while that of training gets worse."""
    for window, train, scale in _paired_windows(curves, setting):
        ours, theirs = trend(window.epoch, window.loss), trend(train.epoch, train.loss)
        limit = scale * _TINY
        if _rises(ours, limit * _level(window)) and _falls(theirs, limit * _level(train)):
            return words.validation_worsens(window, train)
        ours, theirs = trend(window.epoch, window.rank1), trend(train.epoch, train.rank1)
        if _rises(ours, _RISE / 2) and _falls(theirs, _RISE):
            return words.training_worsens(window, train, "rises")
    return None


def validation_falls(curves: Curves, setting: Setting) -> str | None:
    """Find a validation loss that falls steadily."""
    window = curves.validation.part(slice(-_FEW, None))
    if len(window) < _FEW:
        return None
    first, last = window.loss[0], window.loss[-1]
    if (np.diff(window.loss) >= 0).any() or last > first * (1 - _TINY):
        return None
    return (
        f"the validation loss falls steadily, from {first:.3f} at epoch {window.epoch[0]:g} to "
        f"{last:.3f} at epoch {window.epoch[-1]:g}: going on is worth it"
    )


def validation_plateau(curves: Curves, setting: Setting) -> str | None:
    """Find a validation loss that neither falls nor rises."""
    for window, scale in curves.validation.windows(setting):
        loss = trend(window.epoch, window.loss)
        moves_at_most = abs(loss.change) + _SURE * loss.error
        if moves_at_most < scale * _TINY * _level(window) and not _is_excused(
            window, curves, setting
        ):
            train = curves.train.between(window.epoch[0], window.epoch[-1])
            is_falling = len(train) > 2 and _falls(
                trend(train.epoch, train.loss), scale * _TINY * _level(train)
            )
            return words.validation_plateau(window, is_falling)
    return None


def validation_swings(curves: Curves, setting: Setting) -> str | None:
    """Find a validation loss that jumps down and up again."""
    for window, scale in curves.validation.windows(setting):
        steps = np.diff(window.loss)
        turns = np.mean(steps[1:] * steps[:-1] < 0)
        noise = trend(window.epoch, window.loss).noise
        if (
            scale == 1
            and turns >= _TURNS
            and noise > _SWING * _level(window)
            and np.median(window.rank1) < _LEARNED
        ):
            return words.validation_swings(window)
    return None


class NamedSign(NamedTuple):
    """A sign.

    Attributes:
        name: name in words.
        good: whether it is a good one.
        find: function that finds it.
    """

    name: str
    good: bool
    find: Sign


# In the order of the book; the last one is of its chapter on transfer learning.
SIGNS = (
    NamedSign("fast start", True, fast_start),
    NamedSign("training plateau", False, training_plateau),
    NamedSign("not a number", False, not_a_number),
    NamedSign("validation follows training", True, validation_follows),
    NamedSign("validation stays behind", False, validation_stays_behind),
    NamedSign("opposite ways", False, opposite_ways),
    NamedSign("validation loss falls", True, validation_falls),
    NamedSign("validation plateau", False, validation_plateau),
    NamedSign("validation loss swings", False, validation_swings),
    NamedSign("negative transfer", False, negative_transfer.negative_transfer),
)


def _paired_windows(curves: Curves, setting: Setting) -> list[tuple[Curve, Curve, int]]:
    """Return windows of validation with training over the same epochs."""
    pairs = [
        (window, curves.train.between(window.epoch[0], window.epoch[-1]), scale)
        for window, scale in curves.validation.windows(setting)
    ]
    return [(window, train, scale) for window, train, scale in pairs if len(train) > 2]


def _is_excused(window: Curve, curves: Curves, setting: Setting) -> bool:
    """Return whether a level curve is nothing to warn of."""
    best = max(np.median(window.rank1), *(curve.rank1[-1] for curve in curves if len(curve)))
    low = _LOW_RATE * setting.learning_rate
    return bool(best >= _LEARNED or (low > 0 and (window.learning_rate <= low).any()))


def _level(window: Curve) -> float:
    return float(np.median(window.loss))


def _rises(line: Trend, limit: float) -> bool:
    return line.change - _SURE * line.error > limit


def _falls(line: Trend, limit: float) -> bool:
    return line.change + _SURE * line.error < -limit
