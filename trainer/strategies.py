"""`--strategy`: a name → a `tf.distribute.Strategy`."""

from collections.abc import Callable, Mapping, Sequence

from headrace import UsageError, UserError
from trainer import cluster
from trainer.cluster import Cluster

NAMES = ("auto", "one_device", "mirrored", "multi_worker_mirrored", "tpu")
COMMUNICATION = ("auto", "ring", "nccl")


def check(
    name: str, environment: Mapping[str, str], devices: Sequence[str] = (), tpu: str = ""
) -> None:
    """Makes sure that the environment has what a strategy needs, and that flags fit it.

    Args:
        name: one of `NAMES`.
        environment: of the process.
        devices: asked for with --devices.
        tpu: asked for with --tpu.

    Raises:
        UsageError: it has not, or they do not.
    """
    several = cluster.find(environment)
    if name == "multi_worker_mirrored" and not several:
        raise UsageError(
            "--strategy=multi_worker_mirrored needs to know its workers: set TF_CONFIG, start it "
            "as a Slurm step of several tasks, or by `python -m trainer.launch --workers=N`"
        )
    if name in ("one_device", "mirrored") and several:
        raise UsageError(
            f"--strategy={name} is for one process, and this one is of several; use "
            "--strategy=multi_worker_mirrored, or start it by itself"
        )
    for flag, value, owner in (("devices", devices, "mirrored"), ("tpu", tpu, "tpu")):
        if value and name not in (owner, "auto"):
            raise UsageError(f"--{flag} is for --strategy={owner}, not for --strategy={name}")
    if devices and (several or tpu):
        raise UsageError(
            "--devices is for a process that trains alone on GPUs; leave it out, and choose those "
            "of each worker by CUDA_VISIBLE_DEVICES"
        )


def create(
    name: str,
    members: Cluster | None = None,
    *,
    devices: Sequence[str] = (),
    communication: str = "auto",
    tpu: str = "",
):
    """Makes the strategy; in a cluster before anything else of TensorFlow is used.

    `auto` takes the TPU where one is named, all workers of a cluster, all GPUs where there are
    several, or else one device. `one_device` is the first GPU, or the CPU. `mirrored` takes
    `devices`, or all GPUs, or without one all (logical) CPU devices.

    Args:
        name: one of `NAMES`.
        members: of `cluster.find`.
        devices: of `mirrored`, such as `GPU:0`.
        communication: one of `COMMUNICATION`, between workers.
        tpu: name or address; empty or `local` for that of this machine.

    Raises:
        UsageError: there are no such devices.
        UserError: there is no such TPU.
    """
    import tensorflow as tf  # takes seconds; NAMES must be had without

    if name == "tpu" or (name == "auto" and tpu):
        return _tpu(tpu)
    if name == "multi_worker_mirrored" or (name == "auto" and members):
        return _multi_worker(members, communication)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and (len(gpus) > 1 or devices)):
        found = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy(_chosen(found, devices))
    return tf.distribute.get_strategy()


def distribute(strategy, batches: Callable, batch_size: int):
    """Batches for the replicas of a strategy, from the input pipelines of its workers.

    Args:
        strategy: of `create`.
        batches: called with the number of a pipeline and how many there are; a dataset of this
            pipeline's parts of the global batches.
        batch_size: global; divides over the replicas.

    Returns:
        A `tf.distribute.DistributedDataset`.
    """

    def of_pipeline(context):
        dataset = batches(context.input_pipeline_id, context.num_input_pipelines)
        if context.num_replicas_in_sync == context.num_input_pipelines:
            return dataset
        return dataset.rebatch(batch_size // context.num_replicas_in_sync, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_pipeline)


def check_batch_size(strategy, batch_size: int, accumulate: int = 1) -> None:
    """Makes sure that a global batch divides over the replicas, and there into equal parts.

    Raises:
        UsageError: it does not; names the nearest sizes, or numbers of parts, that do.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        sizes = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise UsageError(
            f"--batch_size={batch_size} does not divide over {replicas} replicas; use {sizes}"
        )
    check_parts(batch_size // replicas, accumulate)


def check_parts(images: int, accumulate: int) -> None:
    """Makes sure that a replica's share of a batch divides into so many equal parts.

    Raises:
        UsageError: it does not; names the nearest numbers that divide it.
    """
    if images % accumulate:
        divisors = [number for number in range(1, images + 1) if images % number == 0]
        nearest = [n for n in divisors if n < accumulate][-1:]
        nearest += [n for n in divisors if n > accumulate][:1]
        raise UsageError(
            f"--accumulate={accumulate} does not divide a replica's {images} images of a batch; "
            f"use {' or '.join(map(str, nearest))}"
        )


def dividing_batch_size(strategy, batch_size: int) -> int:
    """The largest size up to `batch_size` that divides over the replicas: for evaluation, where
    the batch size changes nothing but speed."""
    replicas = strategy.num_replicas_in_sync
    return max(replicas, batch_size // replicas * replicas)


def of_one_process(name: str):
    """The strategy for a program that runs by itself, on a run that was trained under `name`."""
    return create(name if name in ("one_device", "mirrored") else "auto")


def _chosen(found: list, devices: Sequence[str]) -> list[str]:
    known = {device.name.removeprefix("/device:"): device.name for device in found}
    for device in devices:
        if device not in known:
            raise UsageError(
                f"--devices={','.join(devices)}: there is no {device} here; there are "
                f"{', '.join(known)}"
            )
    return [known[device] for device in devices or known]


def _multi_worker(members: Cluster, communication: str):
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(members.addresses),
        task_type=members.task,
        task_id=members.index,
        rpc_layer="grpc",
    )
    kind = tf.distribute.experimental.CommunicationImplementation[communication.upper()]
    return tf.distribute.MultiWorkerMirroredStrategy(
        resolver, tf.distribute.experimental.CommunicationOptions(implementation=kind)
    )


def _tpu(name: str):
    """As TensorFlow's guide to TPUs says: resolve, connect, initialise, before anything else."""
    import tensorflow as tf

    name = name or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        (reason, *_) = str(error).splitlines() or [type(error).__name__]
        raise UserError(
            f"--tpu={name}: there is no such TPU ({reason[:200]}); check its name or address, or "
            "leave out --tpu and --strategy to train on what this machine has"
        ) from None
    return tf.distribute.TPUStrategy(resolver)
