"""How TensorFlow takes hold of devices: said once, before anything else of it is used."""

from headrace.errors import UsageError


def configure(logical: int = 1, memory_limit_mb: int = 0) -> None:
    """Limit the memory of GPUs, or let it grow, and split devices.

    Args:
        logical: devices to make of each GPU, or of the CPU where there is no GPU.
        memory_limit_mb: MiB that each device takes of a GPU; 0 for as much as it comes to need.

    Raises:
        UsageError: a GPU is to be split without a limit.
    """
    import tensorflow as tf  # takes seconds

    gpus = tf.config.list_physical_devices("GPU")
    if gpus and logical > 1 and not memory_limit_mb:
        raise UsageError(
            f"`logical_devices`={logical} splits GPUs, whose parts each need a limit of their own: "
            "give `memory_limit_mb` as well"
        )
    for gpu in gpus:
        if memory_limit_mb:
            part = tf.config.LogicalDeviceConfiguration(memory_limit=memory_limit_mb)
            tf.config.set_logical_device_configuration(gpu, [part] * logical)
        else:
            tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus and logical > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * logical
        tf.config.set_logical_device_configuration(cpu, parts)
