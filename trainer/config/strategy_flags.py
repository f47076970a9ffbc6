"""Flags about where a run trains: by which strategy, and on what devices.

    from trainer import strategy_flags

    flags.adopt_module_key_flags(strategy_flags)

    def main() -> None:
        strategy_flags.check()
        config = RunConfig(…, **strategy_flags.asked())

No TensorFlow is imported here.
"""

import os

from absl import flags

from trainer.distribution import strategies, strategy_checks
from trainer.distribution.cluster import Cluster

FLAGS = flags.FLAGS

flags.DEFINE_enum(
    "strategy",
    "auto",
    strategies.NAMES,
    "Where to train. auto: on the TPU of --tpu, or with all workers of the cluster, or on all "
    "GPUs, or on one device, the first that there is. one_device: the first GPU, or the CPU. "
    "mirrored: all GPUs of this machine, or else all its logical CPUs. central_storage: the same, "
    "with one copy of the weights. multi_worker_mirrored: all workers that TF_CONFIG or Slurm "
    "names (docs/distributed.md). parameter_server: workers that train each by itself, on weights "
    "that the servers (ps) of TF_CONFIG hold. tpu: a TPU.",
)
flags.DEFINE_list(
    "devices", [], "With --strategy=mirrored, train on these alone, such as GPU:0,GPU:1."
)
flags.DEFINE_enum(
    "communication",
    "auto",
    strategies.COMMUNICATION,
    "How workers sum their gradients: ring, over any network; nccl, NVIDIA's library, for GPUs; "
    "auto, as TensorFlow chooses.",
)
flags.DEFINE_string(
    "tpu", "", "Train on this TPU: its name or address, or local for that of this machine."
)
flags.DEFINE_integer(
    "memory_limit_mb",
    0,
    "MiB of each (logical) GPU's memory to take at the start. 0 takes memory as it is needed.",
    0,
)
flags.DEFINE_integer(
    "logical_devices",
    1,
    "Split each GPU, or the CPU where there is no GPU, into so many devices: to try what is meant "
    "for several on one. GPUs need --memory_limit_mb with it.",
    1,
)
flags.DEFINE_bool(
    "deterministic", False, "Make every operation repeatable bit for bit, at some cost in speed."
)


def check() -> None:
    """Makes sure that the strategy is one that can be had here, and gives what is asked of it.

    Raises:
        UsageError: it is not, or does not.
    """
    cluster = Cluster.from_environment(os.environ)
    strategy_checks.check_cluster(FLAGS.strategy, cluster, FLAGS.devices, FLAGS.tpu)
    given = {
        "--accumulate": FLAGS.accumulate > 1,
        "--jit_compile": FLAGS.jit_compile,
        "--mixed_precision=float16": FLAGS.mixed_precision == "float16",
        "--deterministic": FLAGS.deterministic,
        "--patience": FLAGS.patience > 0,
        "--plateau": FLAGS.plateau > 0,
    }
    strategy_checks.check_flags(FLAGS.strategy, cluster, [flag for flag in given if given[flag]])


def asked() -> dict[str, object]:
    """The fields of `config.RunConfig` that the flags say."""
    return {
        "strategy": FLAGS.strategy,
        "devices": FLAGS.devices,
        "communication": FLAGS.communication,
        "tpu": FLAGS.tpu,
        "deterministic": FLAGS.deterministic,
    }
