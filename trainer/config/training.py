"""The course of a run: how long it trains, when it is evaluated, and what it goes by."""

import dataclasses

from headrace.config_flags import option

# Numbers of an evaluation that a run can go by.
MONITORS = ("rank1", "rank5", "loss", "map", "f1")
# Those that there are of images of several labels alone.
MULTI_LABEL_MONITORS = ("map", "f1")


def resolve_monitor(name: str | None, multi_label: bool) -> str:
    """Return the name of what a run goes by; where it is left open, what suits the dataset."""
    return name or ("map" if multi_label else "rank1")


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
    patience: int = option(
        0,
        "End after so many evaluations without a better one; 0 for never.",
        minimum=0,
        unsupported={"parameter_server": "its evaluator is a process of its own; leave it out"},
    )
    reduce_lr_patience: int = option(
        0,
        "Multiply the learning rate by `reduce_lr_factor` after so many evaluations without a "
        "better one, and again after as many; 0 for never.",
        minimum=0,
        on_resume="same",
        unsupported={"parameter_server": "its evaluator is a process of its own; leave it out"},
    )
    reduce_lr_factor: float = option(
        0.1, "See `reduce_lr_patience`; between 0 and 1.", on_resume="same"
    )
    max_minutes: float | None = option(
        None,
        "Save and end after so many minutes; the same command goes on from there.",
        minimum=0.0,
    )
