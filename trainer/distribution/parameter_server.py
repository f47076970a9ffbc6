"""Asynchronous training: workers take steps as they get to them, on weights that servers hold.

The chief schedules the steps, see `trainer.loop.async_step`. Workers and servers only `serve`: what
they do is sent to them. They end when the chief does.
"""

import logging
import time
from collections.abc import Callable

import tensorflow as tf

from headrace.errors import StoppedError, UserError
from trainer import run_dir
from trainer.distribution import liveness
from trainer.distribution.cluster import Cluster
from trainer.distribution.preemption import Interruption

_POLL_SECONDS = 0.5

# How long a worker that is told to stop still serves: the chief may be told, too, and saves.
_GRACE_SECONDS = 10.0


def connect(members: Cluster, note: Callable[[str], None]) -> tf.distribute.ParameterServerStrategy:
    """Makes the strategy, once all workers and servers are there.

    Args:
        members: this process is their chief.
        note: called with lines for the user.

    Raises:
        UserError: workers have several GPUs each.
    """
    addresses = _served(members)
    liveness.wait_for(
        {
            f"{task} {index}": address
            for task in ("worker", "ps")
            for index, address in enumerate(addresses[task])
        },
        note,
    )
    tf.get_logger().addFilter(_Plain(note))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(addresses), task_type="chief", task_id=0, rpc_layer="grpc"
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    if strategy.num_replicas_in_sync > 1:
        raise UserError(
            f"--strategy=parameter_server: each worker has {strategy.num_replicas_in_sync} GPUs; "
            "start a worker for each GPU, with CUDA_VISIBLE_DEVICES set to it"
        )
    note(f"parameter servers: {_count(addresses, 'worker')}, {_count(addresses, 'ps')}")
    return strategy


def serve(members: Cluster, workdir: str, end: int) -> None:
    """Serves as a worker or a parameter server, until the chief has ended.

    Args:
        members: of which this process is one.
        workdir: the run directory.
        end: the step at which the run is finished.

    Raises:
        StoppedError: the run is not finished: the chief is gone, or this process was told to stop.
    """
    options = tf.compat.v1.ConfigProto()
    options.gpu_options.allow_growth = True
    server = tf.distribute.Server(
        tf.train.ClusterSpec(_served(members)), members.task, members.index, "grpc", options
    )
    chief, told = liveness.Watch(members.addresses["chief"][0]), None
    with Interruption() as interruption:
        while not chief.is_gone():
            if interruption.signalled:
                told = told or time.monotonic()
                if not chief.came or time.monotonic() - told > _GRACE_SECONDS:
                    break
            # Without a chief there is nothing that a signal should wait for.
            interruption.has_work = chief.came
            time.sleep(_POLL_SECONDS)
    del server  # it served until here
    if not run_dir.is_finished(workdir, end):
        why = "a signal" if interruption.signalled else "the chief, which has ended"
        raise StoppedError(
            f"{members.task} {members.index} was stopped by {why}; start it again with the same "
            "command, and the chief if that has ended"
        )


def _served(members: Cluster) -> dict[str, list[str]]:
    """Addresses of those that TensorFlow connects; an evaluator is by itself."""
    return {task: members.addresses[task] for task in ("chief", "worker", "ps")}


def _count(addresses: dict[str, list[str]], task: str) -> str:
    count, name = len(addresses[task]), {"worker": "worker", "ps": "server"}[task]
    return f"{count} {name}{'s' * (count > 1)}"


class _Plain(logging.Filter):
    """Says in a line what TensorFlow says of a lost worker in fifty; it goes on by itself."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR and str(record.msg).startswith("Worker %s failed"):
            worker = str(record.args[0]).rpartition(":")[2]
            self._note(f"worker {worker} is gone: others take its steps, until it comes back")
        return False
