"""Which trained model a program uses: a run, a checkpoint of it, and which of its weights.

    from trainer.config import trained_model

    trained_model.define()

    def main() -> None:
        config, average = trained_model.parse()

No TensorFlow is imported here.
"""

import dataclasses

from absl import flags

from headrace import config_flags
from headrace.config_flags import PathParser, option
from headrace.errors import UserError, check
from trainer import run_dir
from trainer.config import run
from trainer.config.run import RunConfig

# The flags that `define` makes are those of the program that calls it.
flags.disclaim_key_flags()


@dataclasses.dataclass(frozen=True)
class _TrainedModel:
    workdir: str = option(None, "The run directory.", parser=PathParser())
    checkpoint: str = option(
        run_dir.AUTO,
        "Which checkpoint to use; auto takes the latest, and the best of a run that has gone back "
        "to it when it ended (--restore_best).",
        choices=(run_dir.AUTO, *run_dir.WHICH),
    )
    weights: str = option(
        "auto",
        "raw for the weights that training reached, ema for their average; auto takes the average "
        "of a run that keeps one, by --ema_decay or --optimizer=schedule_free_adamw.",
        choices=("auto", "raw", "ema"),
    )
    threshold: float | None = option(
        None,
        "Least probability of a label, where images have several. Default: what gives the best F1 "
        "on the validation split, or 0.5 without one.",
        minimum=0.0,
        maximum=1.0,
    )


def define() -> None:
    """Define the flags."""
    config_flags.define(_TrainedModel)
    flags.mark_flag_as_required("workdir")


def parse() -> tuple[RunConfig, bool]:
    """Return the config of the run, and whether to take the average of its weights.

    Raises:
        UsageError: a threshold is given, and images of the run have one label.
        UserError: there is no such run, or it keeps no average and `weights` is `ema`.
    """
    source = config_flags.parse(_TrainedModel)
    config = run.read(source.workdir)
    has_average = config.optimization.keeps_average
    if source.weights == "ema" and not has_average:
        raise UserError(
            f"`weights`=ema: the run in {source.workdir} was trained without --ema_decay and has "
            "no average of its weights; use `weights`=raw"
        )
    check(
        source.threshold is None or config.dataset.multi_label,
        f"`threshold` is for images of several labels, and those of the run in {source.workdir} "
        "have one; leave it out",
    )
    return config, has_average and source.weights != "raw"
