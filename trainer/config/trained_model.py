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
from headrace.errors import UserError
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
        "raw for the weights that training reached, ema for their moving average; auto takes the "
        "average of a run that was trained with --ema_decay.",
        choices=("auto", "raw", "ema"),
    )


def define() -> None:
    """Define the flags."""
    config_flags.define(_TrainedModel)
    flags.mark_flag_as_required("workdir")


def parse() -> tuple[RunConfig, bool]:
    """Return the config of the run, and whether to take the moving average of its weights.

    Raises:
        UserError: there is no such run, or it keeps no average and `weights` is `ema`.
    """
    source = config_flags.parse(_TrainedModel)
    config = run.read(source.workdir)
    has_average = bool(config.optimization.ema_decay)
    if source.weights == "ema" and not has_average:
        raise UserError(
            f"`weights`=ema: the run in {source.workdir} was trained without --ema_decay and has "
            "no average of its weights; use `weights`=raw"
        )
    return config, has_average and source.weights != "raw"
