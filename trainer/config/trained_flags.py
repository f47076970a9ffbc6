"""Flags about which trained model to use: a run, a checkpoint of it, and which of its weights.

    from trainer import trained_flags

    flags.adopt_module_key_flags(trained_flags)

    def main() -> None:
        config, average = trained_flags.asked()

No TensorFlow is imported here.
"""

from absl import flags

from headrace.errors import UserError
from trainer import run_dir
from trainer.config import run as run_config
from trainer.config.run import RunConfig

FLAGS = flags.FLAGS

flags.DEFINE_string("workdir", None, "The run directory.", required=True)
flags.DEFINE_enum("checkpoint", "latest", run_dir.WHICH, "Which checkpoint to use.")
flags.DEFINE_enum(
    "weights",
    "auto",
    ["auto", "raw", "ema"],
    "raw for the weights that training reached, ema for their moving average; auto takes the "
    "average of a run that was trained with --ema_decay.",
)


def asked() -> tuple[RunConfig, bool]:
    """The config of the run, and whether to take the moving average of its weights.

    Raises:
        UserError: there is no such run, or it keeps no average and --weights asks for it.
    """
    config = run_config.read(FLAGS.workdir)
    if FLAGS.weights == "ema" and not config.optimization.ema_decay:
        raise UserError(
            f"--weights=ema: the run in {FLAGS.workdir} was trained without --ema_decay and has no "
            "average of its weights; use --weights=raw"
        )
    return config, bool(config.optimization.ema_decay) and FLAGS.weights != "raw"
