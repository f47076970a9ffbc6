"""What a bad sign says: one sentence with its numbers, and what to try."""

from trainer.diagnosis.curves import Curve, Setting, Trend

# A rate that is lower is rather too low than too high, with any optimizer.
_SMALL_RATE = 1e-4


def training_plateau(window: Curve, loss: Trend, fell: bool) -> str:
    """Say that the training loss does not fall.

    Args:
        window: training where that is seen.
        loss: trend of its loss.
        fell: whether it fell before.
    """
    rate = float(window.learning_rate[-1])
    rises = loss.change > 2 * loss.error and loss.change > 0.05 * window.loss[0]
    what = f"the training loss {'rises' if rises else 'has hardly changed'} {_span(window)}"
    if rises:
        return f"{what}: training diverges; try {_lower(rate)}, or `clip_norm`=1"
    if not fell:
        return f"{what}: nothing is being learnt; try {_other(rate)}"
    return (
        f"{what}, after it fell before: training has come to a halt; try to lower the rate on the "
        "way, by `schedule`=cosine or `reduce_lr_patience`=3, or a larger `model`"
    )


def not_a_number(name: str, epoch: float, loss: float, setting: Setting) -> str:
    """Say that a loss is no number."""
    return (
        f"the {name} loss is {loss} at epoch {epoch:g}: the weights are lost; try "
        f"{_lower(setting.learning_rate)} or `clip_norm`=1, in another `workdir`"
    )


def overfitting(window: Curve, train: Curve) -> str:
    """Say that training gets better and validation does not."""
    return (
        f"rank-1 in training rises {_ranks(train)}, and on validation it stays at "
        f"{window.rank1[-1]:.3f}: the model learns the training images by heart (overfitting); try "
        "to vary them more (`augment`), `weight_decay`=0.0005, a smaller `model`, or `patience`=5 "
        "to end in time"
    )


def training_worsens(window: Curve, train: Curve, validation: str) -> str:
    """Say that training gets worse while validation does something else.

    Args:
        window: validation where that is seen.
        train: training over the same epochs.
        validation: what it does: `rises`.
    """
    return (
        f"rank-1 in training falls {_ranks(train)}, while on validation it {validation} (now "
        f"{window.rank1[-1]:.3f}): training comes apart, or it sees much harder images than "
        f"validation has; try {_lower(float(train.learning_rate[-1]))}, or to vary images less "
        "(`augment`)"
    )


def validation_worsens(window: Curve, train: Curve) -> str:
    """Say that the validation loss rises while that of training falls."""
    return (
        f"the validation loss rises {_span(window)}, while that of training falls to "
        f"{train.loss[-1]:.3f}: the model is ever surer of what it gets wrong (overfitting); take "
        "the best checkpoint, and try `patience`=5 to end in time, to vary images more "
        "(`augment`), or `label_smoothing`=0.1"
    )


def validation_plateau(window: Curve, train_falls: bool) -> str:
    """Say that the validation loss stays as it is; `train_falls` if that of training does not."""
    what = f"the validation loss has hardly changed {_span(window)}"
    if train_falls:
        return (
            f"{what}, and that of training still falls: what is learnt now helps with training "
            "images alone; try to vary them more (`augment`), or `patience`=5 to end in time"
        )
    rate = float(window.learning_rate[-1])
    others = ", `reduce_lr_patience`=3, or a larger `model`" if rate else ""
    return f"{what}: nothing new is learnt; try {_other(rate)}{others}"


def validation_swings(window: Curve) -> str:
    """Say that the validation loss jumps."""
    return (
        f"the validation loss jumps between {window.loss.min():.3f} and {window.loss.max():.3f} "
        f"from epoch {window.epoch[0]:g} to {window.epoch[-1]:g}: steps are too long, or too few "
        f"images are watched; try {_lower(float(window.learning_rate[-1]))}, a larger "
        "`batch_size`, or a larger `validation_split`"
    )


def _span(window: Curve) -> str:
    return (
        f"from epoch {window.epoch[0]:g} ({window.loss[0]:.3f}) to epoch {window.epoch[-1]:g} "
        f"({window.loss[-1]:.3f})"
    )


def _ranks(window: Curve) -> str:
    return (
        f"from {window.rank1[0]:.3f} at epoch {window.epoch[0]:g} to {window.rank1[-1]:.3f} at "
        f"epoch {window.epoch[-1]:g}"
    )


def _lower(rate: float) -> str:
    return f"`learning_rate`={rate / 10:.1g} (now {rate:.3g})" if rate else "`learning_rate`"


def _other(rate: float) -> str:
    """Advise another rate; first a tenth, as a rate too high is the usual fault."""
    if not rate:
        return "`learning_rate`=0.01 (now 0: no step changes anything)"
    if rate < _SMALL_RATE:
        return f"`learning_rate`={rate * 10:.1g} (now {rate:.3g})"
    return f"{_lower(rate)}, or else {rate * 10:.1g}"
