"""The course of a run: how long it trains, when it is evaluated, and what it goes by."""

import dataclasses

from headrace.config_flags import option
from headrace.errors import check
from trainer.config import objectives
from trainer.config.objectives import ObjectivesParser

# Numbers of an evaluation that a run can go by, and `stop_when` can name.
MONITORS = ("rank1", "rank5", "loss", "map", "f1")
# Those that there are of images of several labels alone.
MULTI_LABEL_MONITORS = ("map", "f1")


def resolve_monitor(name: str | None, multi_label: bool) -> str:
    """Return the name of what a run goes by; where it is left open, what suits the dataset."""
    return name or ("map" if multi_label else "rank1")


_NOT_BESIDE = {"parameter_server": "its evaluator is a process of its own; leave it out"}


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Length, evaluations and what follows from them. `resolve` fills in what is left out."""

    epochs: int | None = option(
        None, "Train for so many passes over the training split.", minimum=1
    )
    steps: int = option(None, "Train for so many steps; in place of `epochs`.", minimum=1)
    validation_split: str | None = option(
        None,
        "What to evaluate while training, named as for `train_split`. Default: validation, or else "
        "test, or else none.",
        on_resume="same",
        affects=("evaluation",),
    )
    eval_every: int = option(1, "Epochs between evaluations.", minimum=1)
    monitor: str = option(
        None,
        "The number of what is watched (`validation_split`) that the run goes by: the best "
        "checkpoint has the best of it, and `patience` and `reduce_lr_patience` wait for a better "
        "one. map (mean average precision) and f1 (over all labels) are of images of several "
        "labels. Default: rank1, or map for these.",
        choices=MONITORS,
        on_resume="same",
        affects=("evaluation",),
    )
    min_delta: float = option(
        0.0,
        "What counts as a better evaluation for `patience` and `reduce_lr_patience`: one that is "
        "better than the last such one by more than this.",
        minimum=0.0,
        on_resume="same",
        unsupported=_NOT_BESIDE,
    )
    patience: int = option(
        0,
        "End after so many evaluations without a better one; 0 for never.",
        minimum=0,
        unsupported=_NOT_BESIDE,
    )
    reduce_lr_patience: int = option(
        0,
        "Multiply the learning rate by `reduce_lr_factor` after so many evaluations without a "
        "better one, and again after as many; 0 for never.",
        minimum=0,
        on_resume="same",
        unsupported=_NOT_BESIDE,
    )
    reduce_lr_factor: float = option(
        0.1, "See `reduce_lr_patience`; between 0 and 1.", on_resume="same"
    )
    stop_when: str = option(
        "",
        "End at the first evaluation that has these numbers, such as rank1>=0.93; of several, "
        "separated by commas, all of them.",
        parser=ObjectivesParser(MONITORS),
        unsupported=_NOT_BESIDE,
    )
    restore_best: bool = option(
        False,
        "Go back to the best checkpoint when the run ends: the result is that of it, and programs "
        "use it unless told otherwise.",
        unsupported=_NOT_BESIDE,
    )
    stop_on_divergence: float = option(
        0.0,
        "End with an error where the mean loss of a log line, which has been below that of "
        "guessing (all classes as likely), is more than so many times as high as that; 0 for "
        "never.",
        minimum=0.0,
    )
    max_minutes: float | None = option(
        None,
        "Save and end after so many minutes; the same command goes on from there.",
        minimum=0.0,
    )


def check_training(config: TrainingConfig) -> None:
    """Make sure that values go together, as far as they tell by themselves.

    Raises:
        UsageError: they do not.
    """
    check(
        (config.epochs is None) != (config.steps is None),
        "say how long to train: either `epochs` or `steps`, not both",
    )
    check(
        0 < config.reduce_lr_factor < 1,
        f"`reduce_lr_factor`={config.reduce_lr_factor:g}: expected more than 0 and less than 1",
    )
    factor = config.stop_on_divergence
    check(
        factor == 0 or factor > 1,
        f"`stop_on_divergence`={factor:g}: expected more than 1, so that a loss about as high as "
        "that of guessing does not end the run, or 0",
    )


def check_evaluated(config: TrainingConfig, split: str | None) -> None:
    """Make sure that something is evaluated, if the run goes by evaluations.

    Args:
        config: course of the run.
        split: what is evaluated while it trains; None for nothing.

    Raises:
        UsageError: nothing is.
    """
    remedy = "nothing is evaluated while training; name something with `validation_split`"
    check(
        split or not (config.patience or config.reduce_lr_patience),
        f"`patience` and `reduce_lr_patience` wait for a better evaluation, and {remedy}",
    )
    for name in ("stop_when", "restore_best"):
        check(split or not getattr(config, name), f"`{name}` goes by evaluations, and {remedy}")


def check_monitors(config: TrainingConfig, multi_label: bool) -> None:
    """Make sure that an evaluation of the dataset has the numbers that the run goes by.

    Args:
        config: course of the run.
        multi_label: whether an image has any number of labels.

    Raises:
        UsageError: it has not.
    """
    targets = [each.name for each in objectives.parse(config.stop_when, MONITORS)]
    for flag, names in (("monitor", [config.monitor]), ("stop_when", targets)):
        for name in set(names) & set(MULTI_LABEL_MONITORS):
            check(
                multi_label,
                f"`{flag}`: {name} is a number of images of several labels, and those of the "
                "dataset have one; use rank1, rank5 or loss",
            )
