"""For each sign a curve that shows it, and healthy ones that show no bad sign.

Its test and its picture in docs/signs.md are made of the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.diagnosis.curves import Setting

# Of ten classes: what guessing costs, and how many steps an epoch has.
_CLASSES, _GUESS, STEPS_PER_EPOCH = 10, float(np.log(10)), 100


class Example(NamedTuple):
    """A run.

    Attributes:
        rows: rows of its `metrics.jsonl`.
        setting: what else is known of it.
    """

    rows: list[dict[str, Any]]
    setting: Setting


def make_rows(
    train: Sequence[npt.ArrayLike],
    validation: Sequence[npt.ArrayLike],
    learning_rate: npt.ArrayLike = 0.01,
) -> list[dict[str, Any]]:
    """Make rows of a point an epoch.

    Args:
        train: losses, and as many rank-1.
        validation: the same of what is watched; empty for nothing.
        learning_rate: rate, or one for each epoch.
    """
    epochs = np.size(train[0])
    rates = np.broadcast_to(np.asarray(learning_rate, float), epochs)
    rows: list[dict[str, Any]] = []
    for index in range(epochs):
        at: dict[str, Any] = {"step": (index + 1) * STEPS_PER_EPOCH, "epoch": index + 1.0}
        for split, curve in (("train", train), ("validation", validation)):
            if curve:
                rate = {"learning_rate": float(rates[index])} if split == "train" else {}
                loss, rank1 = (float(np.asarray(values)[index]) for values in curve)
                rows.append({**at, "split": split, "loss": loss, "rank1": rank1, **rate})
    return rows


def healthy(
    epochs: int = 20, noise: float = 0.01, seed: int = 0, pace: float = 0.4, cosine: bool = True
) -> Example:
    """Make a run that learns all along.

    Args:
        epochs: epochs.
        noise: standard deviation of the validation loss, as a part of it, and of its rank-1;
            training, which is a mean over an epoch, has a third of that.
        seed: seed of the noise.
        pace: part of the run in which what is left to learn becomes 1/e of it.
        cosine: whether the rate falls along a cosine; it is constant otherwise.
    """
    rng = np.random.default_rng(seed)
    epoch = np.arange(1, epochs + 1)
    loss = 0.1 + (_GUESS - 0.1) * np.exp(-epoch / (pace * epochs))

    def measured(factor: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
        losses = factor * loss * (1 + spread * rng.standard_normal(epochs))
        rank1 = 1 - 0.9 * factor * loss / _GUESS + spread / 3 * rng.standard_normal(epochs)
        return losses, np.clip(rank1, 0, 1)

    rate = 0.005 * (1 + np.cos(np.pi * epoch / epochs)) if cosine else 0.01
    rows = make_rows(measured(1, noise / 3), measured(1.05, noise), rate)
    return Example(rows, Setting(_CLASSES, epochs, 0.01))


def not_learning(rate: float = 0.1) -> Example:
    """Make a run at a rate that is far too high: the loss stays near that of guessing."""
    wobble = 0.004 * np.sin(np.arange(10) * 2.0)
    train = _GUESS + wobble, 0.1 + wobble
    validation = _GUESS + 0.003 + wobble[::-1], 0.1 - wobble
    return Example(make_rows(train, validation, rate), Setting(_CLASSES, 10, rate))


def exploding() -> Example:
    """Make a run whose loss is no number any more in its fourth epoch."""
    train = [2.2, 2.6, 9.8, np.nan], [0.2, 0.15, 0.1, 0.1]
    rows = make_rows(train, ([2.1, 2.9, 14.0, np.nan], [0.22, 0.14, 0.1, 0.1]), 1.0)
    return Example(rows, Setting(_CLASSES, 20, 1.0))


def overfitting() -> Example:
    """Make a run that learns its images by heart, numbers as of a plain network on CIFAR-10."""
    epoch = np.arange(1, 16)
    train = 1.7 * np.exp(-epoch / 4.0), 1 - 0.65 * np.exp(-epoch / 4.5)
    rank1 = 0.69 - 0.25 * np.exp(-epoch / 1.5) + 0.002 * np.sin(epoch * 2.0)
    loss = 0.95 + 0.5 * np.exp(-epoch / 1.2) + 0.008 * np.clip(epoch - 5, 0, None) ** 2
    return Example(make_rows(train, (loss, rank1)), Setting(_CLASSES, 15, 0.01))


def falling_apart() -> Example:
    """Make a run whose rank-1 in training falls while that on validation rises, as where images
    are varied more and more."""
    epoch = np.arange(1, 13)
    train = 0.9 + 0.04 * epoch, 0.7 - 0.015 * epoch
    return Example(
        make_rows(train, (1.2 - 0.02 * epoch, 0.5 + 0.01 * epoch)), Setting(_CLASSES, 12, 0.01)
    )


def stalled() -> Example:
    """Make a run whose validation loss falls for five epochs, and then no more."""
    epoch = np.arange(1, 16)
    level = 1.1 + 1.2 * np.exp(-epoch / 1.2) + 0.003 * np.sin(epoch * 2.0)
    train = 0.95 + 1.3 * np.exp(-epoch / 5.0), 0.68 - 0.5 * np.exp(-epoch / 5.0)
    return Example(
        make_rows(train, (level, 0.6 - 0.4 * np.exp(-epoch / 1.2))), Setting(_CLASSES, 15, 0.01)
    )


def swinging() -> Example:
    """Make a run whose validation loss jumps down and up."""
    epoch = np.arange(1, 13)
    train = 0.6 + 1.5 * np.exp(-epoch / 4.0), 0.8 - 0.6 * np.exp(-epoch / 4.0)
    jumps = np.where(epoch % 2, 0.45, -0.25) * (1 + 0.2 * np.sin(epoch * 1.7))
    loss = 0.9 + 1.3 * np.exp(-epoch / 4.0) + jumps
    return Example(make_rows(train, (loss, train[1] - 0.1 * (jumps + 0.5)), 0.1), Setting())


def harmed_by_transfer() -> Example:
    """Make a run that began with weights of other images, and does not come off the ground."""
    epoch = np.arange(1, 11)
    train = 2.6 - 0.03 * epoch, 0.1 + 0.002 * epoch
    validation = 2.7 - 0.025 * epoch, 0.1 + 0.001 * epoch + 0.003 * np.sin(epoch * 2.0)
    return Example(make_rows(train, validation), Setting(_CLASSES, 10, 0.01, transfer="pretrained"))


# By the name of a sign.
EXAMPLES: dict[str, Callable[[], Example]] = {
    "fast start": healthy,
    "training plateau": not_learning,
    "not a number": exploding,
    "validation follows training": healthy,
    "validation stays behind": overfitting,
    "opposite ways": overfitting,
    "validation loss falls": healthy,
    "validation plateau": stalled,
    "validation loss swings": swinging,
    "negative transfer": harmed_by_transfer,
}
