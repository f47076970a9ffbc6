"""What several workers decide as one: they must run the same steps, save and stop together.

    collectives = Collectives(strategy, cluster)
    seconds, stops = collectives.all_reduce_sum(seconds_per_step, float(preemption.signalled))

A step is a collective of all workers, and a call of several steps is, too; a worker that ran more
of them than another would wait for it for ever. So everything that hangs on one worker's clock or
signals is summed over all workers before it is acted on.
"""

import numpy as np
import tensorflow as tf

from trainer.distribution.cluster import Cluster


class Collectives:
    """The workers that take each step together; one, where there are no others.

    Attributes:
        workers: how many there are.
        is_chief: whether this one writes the run directory.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster) -> None:
        self.workers = cluster.sync_workers
        self.is_chief = cluster.is_chief
        self._strategy = strategy
        self._reduce = tf.function(self._reduce_sum)

    def all_reduce_sum(self, *values: float) -> list[float]:
        """Return the sum of each value over all workers, all of which must call this."""
        if self.workers == 1:
            return list(values)
        local = tf.constant(values, tf.float64)
        replicas = self._strategy.num_replicas_in_sync // self.workers
        # All on one replica: of parts, as of thirds, whole numbers would not sum to whole ones.
        per_replica = self._strategy.experimental_distribute_values_from_function(
            lambda context: (
                tf.zeros_like(local) if context.replica_id_in_sync_group % replicas else local
            )
        )
        return self._reduce(per_replica).numpy().tolist()

    def broadcast(self, value: np.ndarray) -> np.ndarray:
        """Return the chief's value, as all workers call this with one of the same shape."""
        if self.workers == 1:
            return value
        flat = (value if self.is_chief else np.zeros_like(value)).ravel()
        return np.asarray(self.all_reduce_sum(*flat.tolist()), value.dtype).reshape(value.shape)

    def barrier(self) -> None:
        """Wait until all workers are here."""
        self.all_reduce_sum(0.0)

    def _reduce_sum(self, per_replica: tf.Tensor) -> tf.Tensor:
        values = self._strategy.run(tf.identity, args=(per_replica,))
        return self._strategy.reduce("SUM", values, axis=None)
