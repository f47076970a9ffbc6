"""Trains a model on a dataset directory; resumes where an earlier start stopped.

    python -m trainer.task --data_dir=DATA --workdir=RUN --model=lenet --epochs=30

The dataset directory is what `python -m beam_pipelines.prepare` wrote. Started again with the same
--workdir, a run goes on from its last checkpoint; a finished run says so. To train a finished run
further, give more --epochs or --steps.
"""

import ast
import dataclasses
import os

from absl import flags

import models
from headrace import files, program
from headrace.errors import check
from headrace.tensorflow_import import import_tensorflow
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.loading import cache_policy
from input.preprocessing.spec import View
from input.sampling import order
from models.layers import normalization
from trainer import run_dir
from trainer.checkpoints import warm_start
from trainer.config import data_flags, resume, run_flags, splits, strategy_flags
from trainer.config import run as run_config
from trainer.config.run import RunConfig
from trainer.distribution import cluster, devices, strategies
from trainer.evaluation import monitor
from trainer.optimization import optimizers

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(run_flags)
flags.adopt_module_key_flags(strategy_flags)
flags.adopt_module_key_flags(data_flags)
flags.mark_flag_as_required("data_dir")
flags.DEFINE_string(
    "workdir", None, "The run directory: checkpoints, metrics and results go there.", required=True
)
flags.DEFINE_string(
    "validation_split",
    None,
    "What to evaluate while training, named as for --train_split. Default: validation, or else "
    "test, or else none.",
)
flags.DEFINE_string("model", None, f"The model: {', '.join(models.names())}.", required=True)
flags.DEFINE_string(
    "model_options",
    "",
    "The model's own options as name=value, separated by semicolons, for example "
    '"stages=(9,9,9);filters=(16,16,32,64)".',
)
flags.DEFINE_enum(
    "normalization",
    "channel",
    list(normalization.MODES),
    "What the model's first layer makes of a level x; "
    + "; ".join(f"{name}: {text}" for name, text in normalization.MODES.items())
    + ".",
)
flags.DEFINE_enum(
    "class_weights",
    "none",
    ["none", "balanced"],
    "balanced multiplies the loss of each image by the largest class's count over that of its own "
    "class. The loss that is logged while training is that.",
)
flags.DEFINE_enum(
    "optimizer",
    "momentum",
    optimizers.NAMES,
    "The optimizer; momentum and nesterov are SGD with momentum 0.9.",
)
flags.DEFINE_float("learning_rate", 0.01, "Learning rate, constant.", 0.0)
flags.DEFINE_enum(
    "mixed_precision",
    "none",
    ["none", "bfloat16", "float16"],
    "What layers compute in; weights, normalisation and losses are float32. For float16 the loss "
    "is scaled, and a step that overflows is left out.",
)
flags.DEFINE_integer(
    "accumulate",
    1,
    "Parts that a replica takes its share of a batch in, one after another, to need as much less "
    "memory. It divides that share. The weights are the same, but for batch normalisation, which "
    "has the statistics of a part.",
    1,
)
flags.DEFINE_float(
    "clip_norm",
    0.0,
    "Scale the gradient of the global batch down to this norm, taken over all weights, where it is "
    "longer; 0 for never.",
    0.0,
)
flags.DEFINE_float(
    "ema",
    0.0,
    "Keep a moving average of the weights, of which each step keeps this part, such as 0.999; "
    "evaluation, export and prediction take it. 0 for none.",
    0.0,
)
flags.DEFINE_bool(
    "jit_compile",
    False,
    "Compile the gradients with XLA, and the update too on one device. Of several replicas only "
    "for models without batch normalisation.",
)


def main() -> None:
    """Runs the program."""
    run_flags.check()
    strategy_flags.check()
    options = parse_model_options(FLAGS.model_options)
    models.check(FLAGS.model, options)
    check(
        FLAGS.batch_sampling != "balanced" or FLAGS.class_weights == "none",
        "--batch_sampling=balanced and --class_weights=balanced do the same; give one of them",
    )
    check(FLAGS.ema < 1, f"--ema={FLAGS.ema:g}: expected less than 1, such as 0.999")
    strategies.check_batch_size(FLAGS.batch_size, _workers(), FLAGS.accumulate, of="workers")
    check(
        not (FLAGS.jit_compile and FLAGS.deterministic),
        "--jit_compile and --deterministic: XLA has no deterministic gradient of max pooling; "
        "give one of them",
    )
    files.check(FLAGS.data_dir, "data_dir")
    card, seen = data_flags.asked_data()
    config = make_config(card, options, seen, data_flags.asked_augmentation(seen))
    resume.check_same_run(FLAGS.workdir, config, FLAGS.allow_changes)
    if config.init_from and not run_config.exists(FLAGS.workdir):
        warm_start.check(config)
    result = run_dir.read_result(FLAGS.workdir)
    if run_dir.is_finished(FLAGS.workdir, config.steps):
        print(f"{FLAGS.workdir} is finished, at step {result['steps']}; more --epochs train on")
        return
    if result and monitor.ends(result["evaluations_since_best"], config.patience):
        print(
            f"{FLAGS.workdir} is finished, at step {result['steps']}, after "
            f"{result['evaluations_since_best']} evaluations without a better one; more --patience "
            "trains on"
        )
        return

    if strategies.is_asynchronous(FLAGS.strategy, cluster.find(os.environ)):
        # Of a worker that goes, TensorFlow says hundreds of lines; we say one.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_tensorflow()
    devices.configure(FLAGS.logical_devices, FLAGS.memory_limit_mb)
    from trainer.loop import train as training  # with TensorFlow, takes seconds

    result = training.train(config, card, FLAGS.workdir, flags_as_text(), FLAGS.allow_changes)
    if result and cluster.is_chief(os.environ):
        print_result(result)


def make_config(
    card: dataset_dir.Card,
    model_options: dict[str, object],
    seen: View,
    varied: Augmentation,
) -> RunConfig:
    """The run that the flags describe on the dataset of `card`.

    Raises:
        UsageError: the parts to train on and to watch are no such names, or share records.
        UserError: there is no such part, or what is trained on is smaller than a batch or cannot be
            kept as asked.
    """
    data_dir, train = FLAGS.data_dir, FLAGS.train_split
    asked = data_flags.asked_order(card, splits.train_records(data_dir, card, train))
    order.check(asked, _workers())
    cache_policy.choose(
        FLAGS.cache, card, asked.records, cache_policy.keepable(card, seen, varied.crop)
    )
    watched = splits.watched(data_dir, card, train, FLAGS.validation_split)
    return RunConfig(
        data_dir=data_dir,
        dataset_fingerprint=card.fingerprint,
        train_split=train,
        validation_split=watched,
        classes=card.classes,
        channels=card.channels,
        mean=card.mean,
        std=card.std,
        image_size=list(seen.size),
        resize_to=list(seen.base),
        resize=seen.how,
        normalization=FLAGS.normalization,
        model=FLAGS.model,
        model_options=model_options,
        batch_size=FLAGS.batch_size,
        optimizer=FLAGS.optimizer,
        learning_rate=FLAGS.learning_rate,
        mixed_precision=FLAGS.mixed_precision,
        accumulate=FLAGS.accumulate,
        clip_norm=FLAGS.clip_norm,
        ema=FLAGS.ema,
        jit_compile=FLAGS.jit_compile,
        seed=FLAGS.seed,
        batch_sampling=FLAGS.batch_sampling,
        class_weights=FLAGS.class_weights,
        lanes=asked.lanes,
        chunk=asked.chunk,
        window=asked.window,
        on_bad_record=FLAGS.on_bad_record,
        cache=FLAGS.cache,
        cache_dir=FLAGS.cache_dir,
        augmentation=dataclasses.asdict(varied),
        **strategy_flags.asked(),
        **run_flags.asked(asked.steps_per_epoch, watched),
    )


def _workers() -> int:
    return strategies.workers("tpu" if FLAGS.tpu else FLAGS.strategy, os.environ)


def parse_model_options(text: str) -> dict[str, object]:
    """`"stages=(9,9,9);reg=1e-4"` → `{"stages": (9, 9, 9), "reg": 0.0001}`.

    A value that is no Python literal is taken as a string: `activation=relu`.

    Raises:
        UsageError: a part is not of the form name=value.
    """
    options = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        check(equals, f"--model_options={text}: expected name=value, received {part!r}")
        try:
            options[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            options[name.strip()] = value.strip()
    return options


def flags_as_text() -> str:
    """This program's flags as a flagfile: `--flagfile=RUN/flags.txt` repeats the run."""
    return "".join(
        f"{flag.serialize()}\n"
        for flag in program.own_flags()
        if flag.value is not None and flag.name != "allow_changes"
    )


def print_result(result: dict[str, object]) -> None:
    """Prints the final numbers, a line per split."""
    for split, numbers in result["splits"].items():
        print(
            f"{split}: rank-1 {numbers['rank1']:.4f}  rank-5 {numbers['rank5']:.4f}  "
            f"loss {numbers['loss']:.4f}  ({numbers['records']:,} images)"
        )
    print(f"{result['steps']:,} steps at {result['images_per_second']:,.0f} images/s")


if __name__ == "__main__":
    program.run(main, decodes_images=True)
