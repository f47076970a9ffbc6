"""What this process is in its run: decided once, from the environment that started it.

No TensorFlow is imported here.
"""

import dataclasses
from collections.abc import Mapping

from trainer.distribution import cluster, strategies
from trainer.distribution.cluster import Cluster


@dataclasses.dataclass(frozen=True)
class Process:
    """A process of a run.

    Attributes:
        cluster: the cluster that it is part of; None for one that trains alone.
        is_asynchronous: whether workers train by themselves, on weights that parameter servers
            hold, and this process is their chief, or serves, or evaluates.
    """

    cluster: Cluster | None
    is_asynchronous: bool

    @property
    def role(self) -> str:
        """What it does: `train`; or, beside an asynchronous chief, `serve` or `evaluate`."""
        if self.cluster is None or not self.is_asynchronous or self.cluster.task == "chief":
            return "train"
        return "evaluate" if self.cluster.task == "evaluator" else "serve"

    @property
    def synchronous_cluster(self) -> Cluster | None:
        """The cluster, if its workers take each step together."""
        return None if self.is_asynchronous else self.cluster


def find(strategy: str, environment: Mapping[str, str]) -> Process:
    """Return what this process is.

    Args:
        strategy: name of the run's strategy, one of `strategies.NAMES`.
        environment: environment of the process.

    Raises:
        UserError: the environment cannot be read.
    """
    members = cluster.find(environment)
    return Process(members, strategies.is_asynchronous(strategy, members))
