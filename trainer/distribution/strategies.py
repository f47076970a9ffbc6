"""`strategy`: a name → a `tf.distribute.Strategy`."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from headrace.errors import UsageError, UserError
from trainer.distribution import rendezvous
from trainer.distribution.cluster import Cluster
from trainer.distribution.preemption import Preemption, native_wait

if TYPE_CHECKING:  # it takes seconds, and other names must be had without
    import tensorflow as tf


# For TensorFlow to connect workers that are all there, each of which may first start eight GPUs.
CONNECT_SECONDS = 120


def create(
    name: str,
    cluster: Cluster | None = None,
    *,
    devices: Sequence[str] = (),
    communication: str = "auto",
    tpu: str = "",
) -> "tf.distribute.Strategy":
    """Make the strategy; in a cluster before anything else of TensorFlow is used.

    `central_storage` keeps one copy of the weights for the replicas of `mirrored`.
    `auto` takes the TPU where one is named, all workers of a cluster, all GPUs where there are
    several, or else one device. `one_device` is the first GPU, or the CPU. `mirrored` takes
    `devices`, or all GPUs, or without one all (logical) CPU devices.

    Args:
        name: one of `trainer.config.distribution.STRATEGIES`; for parameter servers see
            `parameter_server.connect`.
        cluster: the processes of this run; None for a program that runs by itself.
        devices: names of devices for `mirrored`, such as `GPU:0`.
        communication: one of `COMMUNICATIONS` there, between workers.
        tpu: name or address; empty or `local` for that of this machine.

    Raises:
        UsageError: there are no such devices.
        UserError: there is no such TPU, or this worker cannot listen at its address.
        StoppedError: another process has this worker's address.
    """
    import tensorflow as tf

    cluster = cluster or Cluster()
    if name == "tpu" or (name == "auto" and tpu):
        return _tpu(tpu)
    if name == "multi_worker_mirrored" or (name == "auto" and cluster.is_distributed):
        return _multi_worker(cluster, communication)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and (len(gpus) > 1 or devices)):
        available = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy(_device_names(available, devices))
    if name == "central_storage":
        return tf.distribute.experimental.CentralStorageStrategy(
            _device_names(gpus or tf.config.list_logical_devices("CPU"), []), "CPU:0"
        )
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def scope(strategy: "tf.distribute.Strategy") -> Iterator[None]:
    """Enter where model and optimizer of a strategy are made: its own scope, with a remedy.

    Keras does not say what becomes of the values that replicas give a variable which is not
    trained, such as those of batch normalisation. Central storage, where all share it, wants to
    know: their mean.
    """
    import tensorflow as tf

    def shared(make: Callable, **options: object) -> "tf.Variable":
        if options.get("aggregation") in (None, tf.VariableAggregation.NONE):
            options["aggregation"] = tf.VariableAggregation.MEAN
        return make(**options)

    central = isinstance(strategy, tf.distribute.experimental.CentralStorageStrategy)
    remedy = tf.variable_creator_scope(shared) if central else contextlib.nullcontext()
    with strategy.scope(), remedy:
        yield


def distribute(
    strategy: "tf.distribute.Strategy",
    batches: Callable[[int, int], "tf.data.Dataset"],
    batch_size: int,
) -> "tf.distribute.DistributedDataset":
    """Return the batches for the replicas of a strategy, from the input pipelines of its workers.

    Args:
        strategy: strategy that `create` made.
        batches: called with the number of a pipeline and how many there are; a dataset of this
            pipeline's parts of the global batches.
        batch_size: images of the global batch; divides over the replicas.
    """

    def pipeline(context: "tf.distribute.InputContext") -> "tf.data.Dataset":
        dataset = batches(context.input_pipeline_id, context.num_input_pipelines)
        if context.num_replicas_in_sync == context.num_input_pipelines:
            return dataset
        return dataset.rebatch(batch_size // context.num_replicas_in_sync, drop_remainder=True)

    return strategy.distribute_datasets_from_function(pipeline)


def dividing_batch_size(strategy: "tf.distribute.Strategy", batch_size: int) -> int:
    """Return the largest size up to `batch_size` that divides over the replicas, or else their
    number: for evaluation, where the batch size changes nothing but speed."""
    replicas = strategy.num_replicas_in_sync
    return max(replicas, batch_size // replicas * replicas)


def create_for_one_process(name: str) -> "tf.distribute.Strategy":
    """Make the strategy for a program that runs by itself, on a run trained under `name`."""
    return create(name if name in ("one_device", "mirrored") else "auto")


def _device_names(logical_devices: Sequence, devices: Sequence[str]) -> list[str]:
    """Return the full names of `devices`, or of all there are.

    Raises:
        UsageError: there is no such device.
    """
    names = {each.name.removeprefix("/device:"): each.name for each in logical_devices}
    for device in devices:
        if device not in names:
            raise UsageError(
                f"`devices`={','.join(devices)}: there is no {device} here; there are "
                f"{', '.join(names)}"
            )
    return [names[device] for device in devices or names]


def _multi_worker(cluster: Cluster, communication: str) -> "tf.distribute.Strategy":
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.addresses),
        task_type=cluster.task,
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    kind = tf.distribute.experimental.CommunicationImplementation[communication.upper()]
    options = tf.distribute.experimental.CommunicationOptions(implementation=kind)
    with Preemption():
        if cluster.is_chief:
            others = len(cluster.trainers) - 1
            print(f"waiting for {others} other worker{'s' * (others > 1)}", flush=True)
        rendezvous.meet(cluster, functools.partial(print, flush=True))
        with native_wait(CONNECT_SECONDS):
            return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def _tpu(name: str) -> "tf.distribute.Strategy":
    """Resolve, connect and initialise before anything else, as TensorFlow's guide to TPUs says."""
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
            f"`tpu`={name}: there is no such TPU ({reason[:200]}); check its name or address, or "
            "leave out `tpu` and `strategy` to train on what this machine has"
        ) from None
    return tf.distribute.TPUStrategy(resolver)
