"""The processes that train together, from the environment that started this one.

`TF_CONFIG`, as Vertex AI, Kubeflow and `trainer.launch` set it:

    {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 1}}

or Slurm's own variables, of a step with several tasks. No TensorFlow is imported here.
"""

import contextlib
import dataclasses
import json
import re
import socket
from collections.abc import Mapping

from headrace.errors import UserError
from trainer.distribution import slurm

_TASKS = ("chief", "worker", "ps", "evaluator")
_ADDRESS = re.compile(r"\S+:\d+")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster, and which of its tasks this process is.

    Attributes:
        addresses: `host:port` of each task, by type: `chief`, `worker`, `ps`, `evaluator`.
        task: type of this one.
        index: of this one among its type.
    """

    addresses: dict[str, list[str]]
    task: str
    index: int

    @property
    def trainers(self) -> int:
        """How many processes train: the chief, if there is one apart, and the workers."""
        return len(self.addresses.get("chief", [])) + len(self.addresses.get("worker", []))

    @property
    def address(self) -> str:
        """`host:port` of this task."""
        return self.addresses[self.task][self.index]

    @property
    def has_servers(self) -> bool:
        """Whether there are parameter servers."""
        return bool(self.addresses.get("ps"))

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory: without a chief apart, worker 0 does."""
        if self.addresses.get("chief"):
            return self.task == "chief"
        return self.task == "worker" and self.index == 0

    def to_json(self) -> str:
        """The value of `TF_CONFIG`."""
        task = {"type": self.task, "index": self.index}
        return json.dumps({"cluster": self.addresses, "task": task})


def find(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that this process is part of, or None where nobody else is in it.

    `TF_CONFIG` describes it, or else Slurm does.

    Raises:
        UserError: it cannot be read.
    """
    text = environment.get("TF_CONFIG", "")
    found = _read(text) if text else None
    if not found and slurm.has_several_tasks(environment):
        addresses, index = slurm.addresses(environment)
        return Cluster({"worker": addresses}, "worker", index)
    return found


def _read(text: str) -> Cluster | None:
    try:
        found = json.loads(text)
        if not found.get("cluster"):
            return None
        task = found["task"]
        cluster = Cluster(found["cluster"], task["type"], int(task["index"]))
        _check_addresses(cluster.addresses)
        own = cluster.addresses.get(cluster.task, [None] if cluster.task == "evaluator" else [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG={text} cannot be read ({error}); {_EXPECTED}") from None
    if not 0 <= cluster.index < len(own):
        raise UserError(f"TF_CONFIG={text} does not have the task it names; {_EXPECTED}")
    return cluster if cluster.trainers > 1 or cluster.has_servers else None


def _check_addresses(addresses: dict[str, list[str]]) -> None:
    unknown = addresses.keys() - set(_TASKS)
    if unknown:
        raise ValueError(f"there is no task {min(unknown)}")
    every = [address for task in addresses.values() for address in task]
    if not all(isinstance(task, list) for task in addresses.values()) or not all(
        isinstance(address, str) and _ADDRESS.fullmatch(address) for address in every
    ):
        raise ValueError("addresses are lists of host:port")
    if len(set(every)) < len(every):
        raise ValueError("two tasks have one address")
    if len(addresses.get("chief", [])) > 1:
        raise ValueError("there is one chief at most")


_EXPECTED = (
    'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
)


def is_chief(environment: Mapping[str, str]) -> bool:
    """Whether this process writes the run directory."""
    found = find(environment)
    return found is None or found.is_chief


def on_this_machine(counts: Mapping[str, int]) -> list[Cluster]:
    """The tasks of a cluster on this machine: so many of each type, at ports that are free now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(sum(counts.values()))]
        for one in sockets:
            one.bind(("", 0))
        ports = iter([one.getsockname()[1] for one in sockets])
    addresses = {
        task: [f"127.0.0.1:{next(ports)}" for _ in range(count)] for task, count in counts.items()
    }
    return [Cluster(addresses, task, i) for task, count in counts.items() for i in range(count)]
