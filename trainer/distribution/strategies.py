"""`--strategy`: a name → a `tf.distribute.Strategy`."""

import contextlib
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from headrace.errors import StoppedError, UsageError, UserError
from trainer.distribution import cluster
from trainer.distribution.cluster import Cluster

NAMES = (
    "auto",
    "one_device",
    "mirrored",
    "central_storage",
    "multi_worker_mirrored",
    "parameter_server",
    "tpu",
)
COMMUNICATION = ("auto", "ring", "nccl")

# Flags that a strategy cannot give, why, and what to do.
_REFUSED = {
    "central_storage": {
        "--accumulate": "its replicas share the sums of the parts; use --strategy=mirrored",
        "--jit_compile": "XLA cannot reach variables elsewhere; use --strategy=mirrored",
        "--mixed_precision=float16": "Keras scales no loss under it; use --strategy=mirrored",
    },
    "parameter_server": {
        "--accumulate": "a worker takes a whole batch for a step; use a smaller --batch_size",
        "--jit_compile": "XLA cannot reach variables of servers; leave it out",
        "--mixed_precision=float16": "workers would share the scale of their losses; use bfloat16",
        "--deterministic": "workers change the weights in no fixed order; leave it out",
        "--patience": "its evaluator is a process of its own; leave it out",
        "--plateau": "its evaluator is a process of its own; leave it out",
    },
}


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
    if name in ("one_device", "mirrored", "central_storage") and several:
        raise UsageError(
            f"--strategy={name} is for one process, and this one is of several; use "
            "--strategy=multi_worker_mirrored, or start it by itself"
        )
    _check_servers(name, cluster.find(environment))
    for flag, value, owner in (("devices", devices, "mirrored"), ("tpu", tpu, "tpu")):
        if value and name not in (owner, "auto"):
            raise UsageError(f"--{flag} is for --strategy={owner}, not for --strategy={name}")
    if devices and (several or tpu):
        raise UsageError(
            "--devices is for a process that trains alone on GPUs; leave it out, and choose those "
            "of each worker by CUDA_VISIBLE_DEVICES"
        )


def _check_servers(name: str, members: Cluster | None) -> None:
    servers = members is not None and members.has_servers
    if members and members.task == "evaluator" and not servers:
        raise UsageError(
            "the evaluator of TF_CONFIG is for a run with parameter servers (ps): workers without "
            "evaluate by themselves; do not start it"
        )
    if servers and name not in ("auto", "parameter_server"):
        raise UsageError(
            f"--strategy={name} has no use for the parameter servers (ps) of TF_CONFIG; use "
            "--strategy=parameter_server"
        )
    if servers or name == "parameter_server":
        addresses = members.addresses if members else {}
        missing = [task for task in ("chief", "worker", "ps") if not addresses.get(task)]
        if missing:
            raise UsageError(
                "--strategy=parameter_server needs a chief, workers and servers (ps), and "
                f"TF_CONFIG has no {' and no '.join(missing)}; set it, or start them by "
                "`python -m trainer.launch --workers=N --servers=N`"
            )


def is_asynchronous(name: str, members: Cluster | None) -> bool:
    """Whether workers train by themselves, on weights that parameter servers hold."""
    return members is not None and members.has_servers and name in ("auto", "parameter_server")


def workers(name: str, environment: Mapping[str, str]) -> int:
    """How many processes share each batch, as far as the environment alone tells."""
    members = cluster.find(environment)
    together = members and not is_asynchronous(name, members) and name != "tpu"
    return members.trainers if together else 1


def check_flags(name: str, environment: Mapping[str, str], given: Collection[str]) -> None:
    """Makes sure that a strategy has what flags ask of it.

    Args:
        name: one of `NAMES`.
        environment: of the process.
        given: flags that not every strategy has, such as `--jit_compile`.

    Raises:
        UsageError: it has not.
    """
    if is_asynchronous(name, cluster.find(environment)):
        name = "parameter_server"
    for flag, reason in _REFUSED.get(name, {}).items():
        if flag in given:
            raise UsageError(f"{flag} is not for --strategy={name}: {reason}")


def create(
    name: str,
    members: Cluster | None = None,
    *,
    devices: Sequence[str] = (),
    communication: str = "auto",
    tpu: str = "",
):
    """Makes the strategy; in a cluster before anything else of TensorFlow is used.

    `central_storage` keeps one copy of the weights for the replicas of `mirrored`.
    `auto` takes the TPU where one is named, all workers of a cluster, all GPUs where there are
    several, or else one device. `one_device` is the first GPU, or the CPU. `mirrored` takes
    `devices`, or all GPUs, or without one all (logical) CPU devices.

    Args:
        name: one of `NAMES`; for parameter servers see `parameter_server.connect`.
        members: of `cluster.find`.
        devices: of `mirrored`, such as `GPU:0`.
        communication: one of `COMMUNICATION`, between workers.
        tpu: name or address; empty or `local` for that of this machine.

    Raises:
        UsageError: there are no such devices.
        UserError: there is no such TPU.
        StoppedError: another process has this worker's address.
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
    if name == "central_storage":
        return tf.distribute.experimental.CentralStorageStrategy(
            _chosen(gpus or tf.config.list_logical_devices("CPU"), []), "CPU:0"
        )
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def scope(strategy) -> Iterator[None]:
    """Where model and optimizer of a strategy are made: its own scope, with a remedy.

    Keras does not say what becomes of the values that replicas give a variable which is not
    trained, such as those of batch normalisation. Central storage, where all share it, wants to
    know: their mean.
    """
    import tensorflow as tf

    def shared(make: Callable, **options):
        if options.get("aggregation") in (None, tf.VariableAggregation.NONE):
            options["aggregation"] = tf.VariableAggregation.MEAN
        return make(**options)

    central = isinstance(strategy, tf.distribute.experimental.CentralStorageStrategy)
    remedy = tf.variable_creator_scope(shared) if central else contextlib.nullcontext()
    with strategy.scope(), remedy:
        yield


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


def check_batch_size(
    batch_size: int, replicas: int, accumulate: int = 1, of: str = "replicas"
) -> None:
    """Makes sure that a global batch divides over the replicas, and there into equal parts.

    Args:
        batch_size: of the global batch.
        replicas: how many share it.
        accumulate: parts that each takes its share in.
        of: what a user knows the replicas by, for the message.

    Raises:
        UsageError: it does not; names the nearest sizes, or numbers of parts, that do.
    """
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        sizes = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise UsageError(
            f"--batch_size={batch_size} does not divide over {replicas} {of}; use {sizes}"
        )
    _check_parts(batch_size // replicas, accumulate)


def _check_parts(images: int, accumulate: int) -> None:
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
    options = tf.distribute.experimental.CommunicationOptions(implementation=kind)
    if members.is_chief:
        others = members.trainers - 1
        print(f"waiting for {others} other worker{'s' * (others > 1)}", flush=True)
    # Python hears nothing while TensorFlow waits for the others.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
    except tf.errors.UnknownError as error:
        if "gRPC server" not in error.message:
            raise
        raise StoppedError(
            f"this worker cannot listen at {members.address}, its own address; end the process "
            "that does, and start this one again"
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)


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
