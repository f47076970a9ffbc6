"""The processes that train together, from the environment that started this one.

`TF_CONFIG`, as Vertex AI, Kubeflow and `trainer.launch` set it:

    {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 1}}

or Slurm's own variables, of a step with several tasks. No TensorFlow is imported here.
"""

import contextlib
import dataclasses
import enum
import json
import re
import socket
from collections.abc import Mapping

from headrace.errors import UserError
from trainer.distribution import slurm

_TASKS = ("chief", "worker", "ps", "evaluator")
_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/\[\]@]+):(\d+)")
_EXPECTED = (
    'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
)


class Role(enum.Enum):
    """What a process does."""

    TRAINER = "takes every step, alone or together with all other workers"
    COORDINATOR = "the chief beside parameter servers: schedules the steps, and saves"
    SERVER = "a worker or a server beside the chief: does what is sent to it"
    EVALUATOR = "evaluates the checkpoints as they appear"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster, and which of its tasks this process is; by default a process that is alone.

    Attributes:
        addresses: `host:port` of each task, by type: `chief`, `worker`, `ps`, `evaluator`; empty
            for a process that is alone.
        task: type of this task.
        index: index of this task among those of its type.
    """

    addresses: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    task: str = "worker"
    index: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Cluster":
        """Return the cluster that `TF_CONFIG` describes, or else Slurm.

        Raises:
            UserError: it cannot be read.
        """
        text = environment.get("TF_CONFIG", "").strip()
        cluster = _parse(text) if text else cls()
        if not cluster.addresses and slurm.has_several_tasks(environment):
            addresses, index = slurm.addresses(environment)
            return cls({"worker": addresses}, "worker", index)
        return cluster

    @property
    def is_distributed(self) -> bool:
        """Whether there are other processes."""
        return bool(self.addresses)

    @property
    def trainers(self) -> dict[str, str]:
        """Addresses of the processes that train, the chief apart and the workers, by name."""
        return self.named("chief", "worker")

    @property
    def name(self) -> str:
        """How messages call this task."""
        return _name(self.task, self.index)

    @property
    def address(self) -> str:
        """`host:port` of this task."""
        return self.addresses[self.task][self.index]

    @property
    def has_servers(self) -> bool:
        """Whether there are parameter servers."""
        return bool(self.addresses.get("ps"))

    @property
    def role(self) -> Role:
        """What this process does."""
        if not self.has_servers:
            return Role.TRAINER
        roles = {"chief": Role.COORDINATOR, "evaluator": Role.EVALUATOR}
        return roles.get(self.task, Role.SERVER)

    @property
    def sync_workers(self) -> int:
        """How many processes share each batch and take each step together."""
        return 1 if self.has_servers else max(1, len(self.trainers))

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory: without a chief apart, worker 0 does."""
        if self.addresses.get("chief"):
            return self.task == "chief"
        return self.task == "worker" and self.index == 0

    def named(self, *tasks: str) -> dict[str, str]:
        """Return the addresses of the tasks of some types, by the name that messages call each."""
        return {
            _name(task, index): address
            for task in tasks
            for index, address in enumerate(self.addresses.get(task, []))
        }

    def to_json(self) -> str:
        """Return the value of `TF_CONFIG`."""
        task = {"type": self.task, "index": self.index}
        return json.dumps({"cluster": self.addresses, "task": task})


def on_this_machine(counts: Mapping[str, int]) -> list[Cluster]:
    """Return the tasks of a cluster on this machine, at ports that are free now.

    Args:
        counts: how many tasks there are of each type.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(sum(counts.values()))]
        for one in sockets:
            one.bind(("", 0))
        ports = iter([one.getsockname()[1] for one in sockets])
    addresses = {
        task: [f"127.0.0.1:{next(ports)}" for _ in range(count)] for task, count in counts.items()
    }
    return [Cluster(addresses, task, i) for task, count in counts.items() for i in range(count)]


def host_and_port(address: str) -> tuple[str, int]:
    """Return the two parts of `host:port`; an IPv6 host loses its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _name(task: str, index: int) -> str:
    return f"{task} {index}" if task in ("worker", "ps") else task


def _parse(text: str) -> Cluster:
    try:
        config = json.loads(text)
        if config == {}:
            return Cluster()
        if "cluster" not in config:
            keys = " and ".join(f'"{key}"' for key in config)
            raise ValueError(f'it has no "cluster", only {keys}')
        if not config["cluster"]:
            return Cluster()
        task = config["task"]
        cluster = Cluster(config["cluster"], task["type"], int(task["index"]))
        _check_addresses(cluster.addresses)
        tasks = cluster.addresses.get(cluster.task, [""] if cluster.task == "evaluator" else [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG={text} cannot be read ({error}); {_EXPECTED}") from None
    if not 0 <= cluster.index < len(tasks):
        raise UserError(f"TF_CONFIG={text} does not have the task it names; {_EXPECTED}")
    alone = len(cluster.trainers) == 1 and not cluster.has_servers and cluster.task != "evaluator"
    return Cluster() if alone else cluster


def _check_addresses(addresses: dict[str, list[str]]) -> None:
    unknown = addresses.keys() - set(_TASKS)
    if unknown:
        raise ValueError(f"there is no task {min(unknown)}")
    if not all(isinstance(task, list) for task in addresses.values()):
        raise ValueError("addresses are lists of host:port")
    every = [address for task in addresses.values() for address in task]
    for address in every:
        parts = _HOST_AND_PORT.fullmatch(address) if isinstance(address, str) else None
        if not parts:
            raise ValueError(f"{address} is not host:port")
        if not 0 < int(parts[1]) < 1 << 16:
            raise ValueError(f"{address} has no port between 1 and 65535")
    if len(set(every)) < len(every):
        raise ValueError("two tasks have one address")
    if len(addresses.get("chief", [])) > 1:
        raise ValueError("there is one chief at most")
