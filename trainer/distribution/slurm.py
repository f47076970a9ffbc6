"""The tasks of a Slurm step as a cluster, from the environment that `srun` gives each of them.

Slurm's own words: `SLURM_STEP_NODELIST=node[01-03,7],big`, `SLURM_STEP_TASKS_PER_NODE=2(x4),1`.
TensorFlow's resolver is not used: it fails where there are no GPUs, and takes nodes in the order of
the alphabet, in which node10 comes before node2.
"""

import itertools
import re
from collections.abc import Iterator, Mapping

from headrace.errors import UserError

_NAME = re.compile(r"(?:[^,\[]|\[[^\]]*\])+")
_COUNT = re.compile(r"(\d+)(?:\(x(\d+)\))?")

# Jobs that share a node take different ports, below those that Linux hands out itself.
_FIRST_PORT, _PORTS_OF_A_JOB, _JOBS = 10_000, 32, 700


def has_several_tasks(environment: Mapping[str, str]) -> bool:
    """Return whether this is one of several tasks of a Slurm step."""
    return int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def addresses(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Return `host:port` of each task of this step, and which of them this one is.

    Raises:
        UserError: the environment does not say, or its tasks are dealt out otherwise than node by
            node.
    """
    try:
        hosts = list(expand_nodes(environment["SLURM_STEP_NODELIST"]))
        counts = list(expand_counts(environment["SLURM_STEP_TASKS_PER_NODE"]))
        rank = int(environment["SLURM_PROCID"])
        node, task = int(environment["SLURM_NODEID"]), int(environment["SLURM_LOCALID"])
        job = int(environment.get("SLURM_JOB_ID", "0"))
    except (KeyError, ValueError) as error:
        raise UserError(
            f"this is a Slurm step of several tasks, and {error} is missing in its environment or "
            "cannot be read; start it by srun"
        ) from None
    if len(hosts) != len(counts) or rank != sum(counts[:node]) + task:
        raise UserError(
            "this Slurm step does not have its tasks node by node; start it by "
            "`srun --distribution=block`"
        )
    first = _FIRST_PORT + _PORTS_OF_A_JOB * (job % _JOBS)
    return [
        f"{host}:{first + number}"
        for host, count in zip(hosts, counts, strict=True)
        for number in range(count)
    ], rank


def expand_nodes(text: str) -> Iterator[str]:
    """Yield the names of nodes that are written in short: `a[09-10],b` → `a09`, `a10`, `b`."""
    for name in _NAME.findall(text):
        literals_and_ranges = re.split(r"\[([^\]]*)\]", name)
        choices = [
            list(_numbers(part)) if position % 2 else [part]
            for position, part in enumerate(literals_and_ranges)
        ]
        yield from map("".join, itertools.product(*choices))


def expand_counts(text: str) -> Iterator[int]:
    """Yield the numbers of tasks on each node, written in short: `2(x3),1` → 2, 2, 2, 1."""
    for count, times in _COUNT.findall(text):
        yield from itertools.repeat(int(count), int(times or 1))


def _numbers(ranges: str) -> Iterator[str]:
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))
