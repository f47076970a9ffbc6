"""Where a run trains: by which strategy, and on what devices."""

import dataclasses

from headrace.config_flags import option

STRATEGIES = (
    "auto",
    "one_device",
    "mirrored",
    "central_storage",
    "multi_worker_mirrored",
    "parameter_server",
    "tpu",
)
COMMUNICATIONS = ("auto", "ring", "nccl")


@dataclasses.dataclass(frozen=True)
class DistributionConfig:
    """Strategy and devices; none of it changes the result, but for rounding."""

    strategy: str = option(
        "auto",
        "Where to train. auto: on the TPU of `tpu`, or with all workers of the cluster, or on all "
        "GPUs, or on one device, the first that there is. one_device: the first GPU, or the CPU. "
        "mirrored: all GPUs of this machine, or else all its logical CPUs. central_storage: the "
        "same, with one copy of the weights. multi_worker_mirrored: all workers that TF_CONFIG or "
        "Slurm names (docs/distributed.md). parameter_server: workers that train each by itself, "
        "on weights that the servers (ps) of TF_CONFIG hold. tpu: a TPU.",
        choices=STRATEGIES,
    )
    devices: tuple[str, ...] = option(
        (), "With `strategy`=mirrored, train on these alone, such as GPU:0,GPU:1."
    )
    communication: str = option(
        "auto",
        "How workers sum their gradients: ring, over any network; nccl, NVIDIA's library, for "
        "GPUs; auto, as TensorFlow chooses.",
        choices=COMMUNICATIONS,
    )
    tpu: str = option(
        "", "Train on this TPU: its name or address, or local for that of this machine."
    )
    memory_limit_mb: int = option(
        0,
        "MiB of each (logical) GPU's memory to take at the start. 0 takes memory as it is needed.",
        minimum=0,
    )
    logical_devices: int = option(
        1,
        "Split each GPU, or the CPU where there is no GPU, into so many devices: to try what is "
        "meant for several on one. GPUs need `memory_limit_mb` with it.",
        minimum=1,
    )
    deterministic: bool = option(
        False,
        "Make every operation repeatable bit for bit, at some cost in speed.",
        unsupported={
            "parameter_server": "workers change the weights in no fixed order; leave it out"
        },
    )
