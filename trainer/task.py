"""Trains a model on a dataset directory; resumes where an earlier start stopped.

    python -m trainer.task --data_dir=DATA --workdir=RUN --model=lenet --epochs=30

The dataset directory is what `python -m beam_pipelines.prepare` wrote. Started again with the same
--workdir, a run goes on from its last checkpoint; a finished run says so. To train a finished run
further, give more --epochs or --steps.
"""

import os
from typing import Any

from absl import flags

from headrace import config_flags, files, program
from headrace.tensorflow_import import import_tensorflow
from input.dataset import dataset_dir
from input.sampling import order
from models import registry
from trainer import run_dir
from trainer.checkpoints import warm_start
from trainer.config import flags as training_flags
from trainer.config import formats, objectives, precision, resume, splits, unsupported
from trainer.config import run as run_config
from trainer.config.run import RunConfig
from trainer.config.training import MONITORS
from trainer.distribution import devices, preemption, strategy_checks
from trainer.distribution.cluster import Cluster
from trainer.evaluation import monitor
from trainer.transfer import pretrained

FLAGS = flags.FLAGS

# What `flags.txt` leaves out: the flags of a recipe are in it.
_NOT_REPEATED = ("allow_changes", "recipe")

config_flags.define_path(
    "workdir", None, "The run directory: checkpoints, metrics and results go there.", required=True
)
flags.DEFINE_bool(
    "allow_changes",
    False,
    "Go on, from the same step, with another dataset or other flags than the run in `workdir` has. "
    "The network must have the same weights; with another `optimizer`, `mixed_precision` or "
    "`ema_decay` the optimizer starts afresh.",
)
training_flags.define()
flags.mark_flags_as_required(["data_dir", "model"])


def main() -> None:
    """Run the program."""
    config = training_flags.parse()
    _check_here(config)
    card = dataset_dir.read_card(config.data.data_dir)
    config = training_flags.resolve(config, card)
    order.check(config.data.order(_records(config, card)), _workers(config))
    resume.check_same_run(FLAGS.workdir, _as_recorded(config), FLAGS.allow_changes)
    if not run_config.exists(FLAGS.workdir):
        _check_first_weights(config)
    if finished := _finished(config):
        print(program.with_flags(finished))
        return

    cluster = Cluster.from_environment(os.environ)
    if cluster.is_distributed:
        preemption.hold_signals()
    if cluster.has_servers:
        # Of a worker that goes, TensorFlow says hundreds of lines; we say one.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_tensorflow()
    devices.configure(config.distribution.logical_devices, config.distribution.memory_limit_mb)
    from trainer.loop.train import train  # with TensorFlow, takes seconds

    result = train(config, card, FLAGS.workdir, flags_as_text(), FLAGS.allow_changes)
    if result and cluster.is_chief:
        print_result(result)


def _check_here(config: RunConfig) -> None:
    """Make sure that model and strategy can be had here, before any data is touched."""
    registry.check(config.model.name, config.model.options)
    where, cluster = config.distribution, Cluster.from_environment(os.environ)
    strategy_checks.check_cluster(where.strategy, cluster, where.devices, where.tpu)
    named = "tpu" if where.tpu else where.strategy
    unsupported.check(config, "parameter_server" if cluster.has_servers else named)
    strategy_checks.check_batch_size(
        config.data.batch_size,
        _workers(config),
        config.optimization.grad_accum_steps,
        plural="workers",
    )
    files.check(config.data.data_dir, "data_dir")


def _check_first_weights(config: RunConfig) -> None:
    if config.checkpoints.init_from:
        warm_start.check(config)
    if config.transfer.pretrained != "none":
        pretrained.check(config)


def _as_recorded(config: RunConfig) -> RunConfig:
    """Return a config with what the run computes in, if it has begun and the flags leave it to it.

    `train` takes it from the chief, whose run directory another worker may not see.
    """
    if run_config.exists(FLAGS.workdir):
        return precision.as_recorded(config, FLAGS.workdir)
    return config


def _workers(config: RunConfig) -> int:
    where = config.distribution
    on_tpu = where.tpu or where.strategy == "tpu"
    return 1 if on_tpu else Cluster.from_environment(os.environ).sync_workers


def _records(config: RunConfig, card: dataset_dir.Card) -> int:
    return splits.train_records(config.data.data_dir, card, config.data.train_split)


def _finished(config: RunConfig) -> str:
    """Return why there is nothing left to train, or an empty text."""
    result = run_dir.read_result(FLAGS.workdir)
    if result and run_dir.is_finished(FLAGS.workdir, config.training.steps):
        return f"{FLAGS.workdir} is finished, at step {result['steps']}; more `epochs` train on"
    if result and monitor.should_stop(result["evaluations_since_best"], config.training.patience):
        return (
            f"{FLAGS.workdir} is finished, at step {result['steps']}, after "
            f"{result['evaluations_since_best']} evaluations without a better one; more `patience` "
            "trains on"
        )
    if result and _is_reached(config, result["steps"]):
        return (
            f"{FLAGS.workdir} is finished, at step {result['steps']}, where "
            f"{config.training.stop_when} was reached; another `stop_when`, or none, trains on"
        )
    return ""


def _is_reached(config: RunConfig, step: int) -> bool:
    """Return whether the last evaluation, at this step, meets the objectives, as the log has it."""
    split = config.training.validation_split
    rows = [row for row in run_dir.read_metrics(FLAGS.workdir) if row["split"] == split]
    targets = objectives.parse(config.training.stop_when, MONITORS)
    return bool(rows) and rows[-1]["step"] == step and objectives.are_met(targets, rows[-1])


def flags_as_text() -> str:
    """Return this program's flags as a flagfile: `--flagfile=RUN/flags.txt` repeats the run, and
    would if its recipe were another by then."""
    return "".join(
        f"{flag.serialize()}\n"
        for flag in program.own_flags()
        if flag.value is not None and flag.name not in _NOT_REPEATED
    )


def print_result(result: dict[str, Any]) -> None:
    """Print the final numbers, a line per split."""
    from trainer.reporting.progress import several_labels  # with what draws, which is there by now

    for split, numbers in result["splits"].items():
        print(
            f"{split}: rank-1 {numbers['rank1']:.4f}  rank-5 {numbers['rank5']:.4f}  "
            f"loss {numbers['loss']:.4f}{several_labels(numbers)}  ({numbers['records']:,} images)"
        )
    if "restored_step" in result:
        print(f"all of the best checkpoint, that of step {result['restored_step']:,}")
    print(f"{result['steps']:,} steps at {result['images_per_second']:,.0f} images/s")


if __name__ == "__main__":
    program.run(main, decodes_images=True, renamed=formats.RENAMED)
