"""Whether a strategy can be had here. No TensorFlow is imported."""

from collections.abc import Sequence

from headrace.errors import UsageError
from trainer.distribution.cluster import Cluster


def check_cluster(name: str, cluster: Cluster, devices: Sequence[str] = (), tpu: str = "") -> None:
    """Make sure that the environment has what a strategy needs, and that flags fit it.

    Args:
        name: one of `STRATEGIES`.
        cluster: the processes of this run.
        devices: names of devices to train on; empty to leave the choice to the strategy.
        tpu: name or address of the TPU to train on; empty for none.

    Raises:
        UsageError: it has not, or they do not.
    """
    if name == "multi_worker_mirrored" and not cluster.is_distributed:
        raise UsageError(
            "`strategy`=multi_worker_mirrored needs to know its workers: set TF_CONFIG, start it "
            "as a Slurm step of several tasks, or by `python -m trainer.launch --workers=N`"
        )
    if name in ("one_device", "mirrored", "central_storage") and cluster.is_distributed:
        raise UsageError(
            f"`strategy`={name} is for one process, and this one is of several; use "
            "`strategy`=multi_worker_mirrored, or start it by itself"
        )
    _check_servers(name, cluster)
    for flag, value, owner in (("devices", devices, "mirrored"), ("tpu", tpu, "tpu")):
        if value and name not in (owner, "auto"):
            raise UsageError(f"`{flag}` is for `strategy`={owner}, not for `strategy`={name}")
    if devices and (cluster.is_distributed or tpu):
        raise UsageError(
            "`devices` is for a process that trains alone on GPUs; leave it out, and choose those "
            "of each worker by CUDA_VISIBLE_DEVICES"
        )


def _check_servers(name: str, cluster: Cluster) -> None:
    if cluster.task == "evaluator" and not cluster.has_servers:
        raise UsageError(
            "the evaluator of TF_CONFIG is for a run with parameter servers (ps): workers without "
            "evaluate by themselves; do not start it"
        )
    if cluster.has_servers and name not in ("auto", "parameter_server"):
        raise UsageError(
            f"`strategy`={name} has no use for the parameter servers (ps) of TF_CONFIG; use "
            "`strategy`=parameter_server"
        )
    if cluster.has_servers or name == "parameter_server":
        missing = [task for task in ("chief", "worker", "ps") if not cluster.addresses.get(task)]
        if missing:
            raise UsageError(
                "`strategy`=parameter_server needs a chief, workers and servers (ps), and "
                f"TF_CONFIG has no {' and no '.join(missing)}; set it, or start them by "
                "`python -m trainer.launch --workers=N --servers=N`"
            )


def check_batch_size(
    batch_size: int, replicas: int, accumulate: int = 1, plural: str = "replicas"
) -> None:
    """Make sure that a global batch divides over the replicas, and there into equal parts.

    Args:
        batch_size: images of the global batch.
        replicas: how many share it.
        accumulate: parts that each takes its share in.
        plural: what a user knows the replicas by, for the message.

    Raises:
        UsageError: it does not; names the nearest sizes, or numbers of parts, that do.
    """
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        sizes = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise UsageError(
            f"`batch_size`={batch_size} does not divide over {replicas} {plural}; use {sizes}"
        )
    _check_parts(batch_size // replicas, accumulate)


def _check_parts(images: int, accumulate: int) -> None:
    """Make sure that a replica's share of a batch divides into so many equal parts.

    Raises:
        UsageError: it does not; names the nearest numbers that divide it.
    """
    if images % accumulate:
        divisors = [number for number in range(1, images + 1) if images % number == 0]
        nearest = [n for n in divisors if n < accumulate][-1:]
        nearest += [n for n in divisors if n > accumulate][:1]
        raise UsageError(
            f"`grad_accum_steps`={accumulate} does not divide a replica's {images} images of a "
            f"batch; use {' or '.join(map(str, nearest))}"
        )
