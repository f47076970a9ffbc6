"""What several workers decide as one: they must run the same steps, save and stop together.

    together = Together(strategy, members)
    seconds, stops = together.sum(pace, float(interruption.signalled))

A step is a collective of all workers, and a call of several steps is, too; a worker that ran more
of them than another would wait for it for ever. So everything that hangs on one worker's clock or
signals is summed over all workers before it is acted on.
"""

import tensorflow as tf

from trainer.distribution.cluster import Cluster


class Together:
    """The workers of a run; one, where there is no cluster.

    Attributes:
        workers: how many there are.
        is_chief: whether this one writes the run directory.
    """

    def __init__(self, strategy: tf.distribute.Strategy, members: Cluster | None) -> None:
        self.workers = members.trainers if members else 1
        self.is_chief = members is None or members.is_chief
        self._strategy = strategy
        self._add = tf.function(self._reduced)

    def sum(self, *values: float) -> list[float]:
        """The sum of each value over all workers, all of which must call this."""
        if self.workers == 1:
            return list(values)
        own = tf.constant(values, tf.float64)
        replicas = self._strategy.num_replicas_in_sync // self.workers
        each = self._strategy.experimental_distribute_values_from_function(lambda _: own / replicas)
        return self._add(each).numpy().tolist()

    def wait(self) -> None:
        """Waits until all workers are here."""
        self.sum(0.0)

    def _reduced(self, each: tf.Tensor) -> tf.Tensor:
        return self._strategy.reduce(
            "SUM", self._strategy.run(tf.identity, args=(each,)), axis=None
        )
