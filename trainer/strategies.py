"""`--strategy`: a name → a `tf.distribute.Strategy`."""

import tensorflow as tf

from headrace import UsageError

STRATEGIES = ("auto", "one_device", "mirrored")


def create(name: str) -> tf.distribute.Strategy:
    """Makes the strategy.

    `auto` mirrors over all GPUs where there are several, else uses one device. `one_device` is the
    first GPU, or the CPU. `mirrored` takes all GPUs, or without one all (logical) CPU devices.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Makes sure that a global batch divides over the replicas.

    Raises:
        UsageError: it does not; names the nearest sizes that do.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        sizes = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise UsageError(
            f"--batch_size={batch_size} does not divide over {replicas} replicas; use {sizes}"
        )


def dividing_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> int:
    """The largest size up to `batch_size` that divides over the replicas: for evaluation, where
    the batch size changes nothing but speed."""
    replicas = strategy.num_replicas_in_sync
    return max(replicas, batch_size // replicas * replicas)
