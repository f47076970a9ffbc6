"""Flags about the course of a run: how long, from what it starts, when it saves, what it goes by.

    from trainer import run_flags

    flags.adopt_module_key_flags(run_flags)

    def main() -> None:
        run_flags.check()
        config = RunConfig(…, **run_flags.asked(steps_per_epoch))

No TensorFlow is imported here.
"""

from absl import flags

from headrace import errors
from trainer import run_dir
from trainer.checkpoints import warm_start
from trainer.evaluation import monitor

FLAGS = flags.FLAGS

flags.DEFINE_integer("epochs", None, "Train for so many passes over the training split.", 1)
flags.DEFINE_integer("steps", None, "Train for so many steps; in place of --epochs.", 1)
flags.DEFINE_string(
    "init_from",
    "",
    "Start a new run from the weights of the run in this directory, of the same model; with a "
    "moving average, from that. Where the classes are others, the last layer starts afresh.",
)
flags.DEFINE_enum(
    "init_checkpoint",
    "best",
    run_dir.WHICH,
    "Of --init_from: which checkpoint; the latest where it has no sound best.",
)
flags.DEFINE_enum(
    "init_optimizer",
    "fresh",
    warm_start.OPTIMIZERS,
    "Of --init_from: kept takes over its optimizer's state too, with the weights as training left "
    "them; the rate is that of --learning_rate.",
)
flags.DEFINE_integer("eval_every", 1, "Epochs between evaluations.", 1)
flags.DEFINE_enum(
    "monitor",
    "rank1",
    monitor.NAMES,
    "The number of what is watched (--validation_split) that the run goes by: the best checkpoint "
    "has the best of it, and --patience and --plateau wait for a better one.",
)
flags.DEFINE_integer(
    "patience", 0, "End after so many evaluations without a better one; 0 for never.", 0
)
flags.DEFINE_integer(
    "plateau",
    0,
    "Multiply the learning rate by --plateau_factor after so many evaluations without a better "
    "one, and again after as many; 0 for never.",
    0,
)
flags.DEFINE_float("plateau_factor", 0.1, "See --plateau; between 0 and 1.")
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
    errors.check(
        (FLAGS.epochs is None) != (FLAGS.steps is None),
        "say how long to train: either --epochs or --steps, not both",
    )
    errors.check(
        not (FLAGS.save_every_steps and FLAGS.save_every_epochs),
        "--save_every_steps and --save_every_epochs both say when to save; give one of them",
    )
    errors.check(
        FLAGS.init_from or FLAGS.init_optimizer == "fresh",
        "--init_optimizer=kept: say of which run, with --init_from",
    )
    errors.check(
        0 < FLAGS.plateau_factor < 1,
        f"--plateau_factor={FLAGS.plateau_factor:g}: expected more than 0 and less than 1",
    )


def asked(steps_per_epoch: int, watched: str | None) -> dict[str, object]:
    """The fields of `config.RunConfig` that the flags say.

    Args:
        steps_per_epoch: of the training split.
        watched: what is evaluated while training, or None.

    Raises:
        UsageError: the run is to wait for a better evaluation, and there is none.
    """
    errors.check(
        watched or not (FLAGS.patience or FLAGS.plateau),
        "--patience and --plateau wait for a better evaluation, and nothing is evaluated while "
        "training; name something with --validation_split",
    )
    return {
        "steps": FLAGS.steps or FLAGS.epochs * steps_per_epoch,
        "init_from": FLAGS.init_from,
        "init_checkpoint": FLAGS.init_checkpoint,
        "init_optimizer": FLAGS.init_optimizer,
        "eval_every": FLAGS.eval_every,
        "monitor": FLAGS.monitor,
        "patience": FLAGS.patience,
        "plateau": FLAGS.plateau,
        "plateau_factor": FLAGS.plateau_factor,
        "save_every_steps": FLAGS.save_every_steps
        or (FLAGS.save_every_epochs or 1) * steps_per_epoch,
        "save_every_seconds": FLAGS.save_every_seconds,
        "keep": FLAGS.keep,
        "max_minutes": FLAGS.max_minutes,
    }
