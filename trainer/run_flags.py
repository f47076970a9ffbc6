"""Flags about the course of a run: when it evaluates and saves, and by which number it goes.

    from trainer import run_flags

    flags.adopt_module_key_flags(run_flags)

    def main() -> None:
        run_flags.check()
        config = RunConfig(…, **run_flags.asked(steps_per_epoch))

No TensorFlow is imported here.
"""

from absl import flags

import headrace
from trainer import monitor

FLAGS = flags.FLAGS

flags.DEFINE_integer("eval_every", 1, "Epochs between evaluations.", 1)
flags.DEFINE_enum(
    "monitor",
    "rank1",
    monitor.NAMES,
    "The number of what is watched (--validation_split) that the best checkpoint has the best of.",
)
flags.DEFINE_integer("save_every_epochs", None, "Epochs between checkpoints. Default: 1.", 1)
flags.DEFINE_integer(
    "save_every_steps", 0, "Steps between checkpoints, in place of --save_every_epochs; or 0.", 0
)
flags.DEFINE_float("save_every_seconds", 0, "Save so often, too; 0 for not by the clock.", 0.0)
flags.DEFINE_integer("keep", 3, "How many of the latest checkpoints stay, beside the best.", 1)
flags.DEFINE_float(
    "max_minutes",
    None,
    "Save and end after so many minutes; the same command goes on from there.",
    0.0,
)
flags.DEFINE_bool(
    "allow_changes",
    False,
    "Go on, from the same step, with another dataset or other flags than the run in --workdir has. "
    "The network must have the same weights; with another --optimizer, --mixed_precision or --ema "
    "the optimizer starts afresh.",
)


def check() -> None:
    """Makes sure that the flags go together.

    Raises:
        UsageError: they do not.
    """
    headrace.check(
        not (FLAGS.save_every_steps and FLAGS.save_every_epochs),
        "--save_every_steps and --save_every_epochs both say when to save; give one of them",
    )


def asked(steps_per_epoch: int) -> dict[str, object]:
    """The fields of `config.RunConfig` that the flags say."""
    return {
        "eval_every": FLAGS.eval_every,
        "monitor": FLAGS.monitor,
        "save_every_steps": FLAGS.save_every_steps
        or (FLAGS.save_every_epochs or 1) * steps_per_epoch,
        "save_every_seconds": FLAGS.save_every_seconds,
        "keep": FLAGS.keep,
        "max_minutes": FLAGS.max_minutes,
    }
