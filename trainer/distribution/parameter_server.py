"""Parameter servers: the chief connects to its workers and servers, which `serve` until it ends.

What the chief does with them is in `trainer.loop.async_step`.
"""

import logging
import time
from collections.abc import Callable

import tensorflow as tf

from headrace.errors import StoppedError, UserError
from trainer import run_dir
from trainer.distribution import rendezvous
from trainer.distribution.cluster import Cluster
from trainer.distribution.liveness import LivenessProbe, MissingReport
from trainer.distribution.preemption import Preemption, native_wait

_CONNECT_SECONDS = 120
_POLL_SECONDS = 0.5

# How long a worker that is to stop still serves: the chief may have had the signal too, and saves.
_GRACE_SECONDS = 10.0


def connect(cluster: Cluster, note: Callable[[str], None]) -> tf.distribute.ParameterServerStrategy:
    """Make the strategy, once all workers and servers are there.

    Args:
        cluster: this process is its chief.
        note: called with lines for the user.

    Raises:
        StoppedError: another process has this one's address.
        UserError: workers have several GPUs each, or this process cannot listen at its address for
            another reason.
    """
    rendezvous.check_address(cluster)
    tf.get_logger().addFilter(_LostWorkerFilter(note))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        _cluster_spec(cluster), task_type="chief", task_id=0, rpc_layer="grpc"
    )
    with Preemption():
        rendezvous.wait_for(cluster.named("worker", "ps"), note)
        with native_wait(_CONNECT_SECONDS):
            strategy = tf.distribute.ParameterServerStrategy(resolver)
    if strategy.num_replicas_in_sync > 1:
        raise UserError(
            f"`strategy`=parameter_server: each worker has {strategy.num_replicas_in_sync} GPUs; "
            "start a worker for each GPU, with CUDA_VISIBLE_DEVICES set to it"
        )
    note(f"parameter servers: {_count(cluster, 'worker')}, {_count(cluster, 'ps')}")
    return strategy


def serve(cluster: Cluster, workdir: str, end: int, note: Callable[[str], None]) -> None:
    """Serve as a worker or a parameter server, until the chief has ended.

    Args:
        cluster: this process is one of its workers or servers.
        workdir: the run directory.
        end: step at which the run is finished.
        note: called with lines for the user, about a chief that is missing.

    Raises:
        StoppedError: the run is not over: the chief is gone, or this process got a signal; or
            another process has its address.
        UserError: this process cannot listen at its address for another reason.
    """
    rendezvous.check_address(cluster)
    options = tf.compat.v1.ConfigProto()
    options.gpu_options.allow_growth = True
    server = tf.distribute.Server(
        _cluster_spec(cluster), cluster.task, cluster.index, "grpc", options
    )
    work = f"{cluster.name} serves for {_GRACE_SECONDS:.0f} s more, so that the chief can save"
    with Preemption(work=work, idle="before the chief was there") as preemption:
        _serve_until_over(cluster, preemption, MissingReport(note))
    del server  # it served until here
    if not run_dir.is_over(workdir, end):
        why = "a signal" if preemption.signalled else "the chief, which has ended"
        raise StoppedError(
            f"{cluster.name} was stopped by {why}; start it again with the same command, and the "
            "chief if that has ended"
        )


def _serve_until_over(cluster: Cluster, preemption: Preemption, report: MissingReport) -> None:
    """Wait until the chief has come and gone, or for some time after a signal."""
    address = cluster.addresses["chief"][0]
    chief, deadline = LivenessProbe(address), float("inf")
    while not chief.is_down() and time.monotonic() < deadline:
        if preemption.signalled:
            deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
        # Without a chief there is nothing that a signal should wait for.
        preemption.has_work = chief.seen
        report.update({} if chief.seen else {"chief": address})
        time.sleep(_POLL_SECONDS)


def _cluster_spec(cluster: Cluster) -> tf.train.ClusterSpec:
    """Return those that TensorFlow connects; an evaluator is by itself."""
    return tf.train.ClusterSpec(
        {task: cluster.addresses[task] for task in ("chief", "worker", "ps")}
    )


def _count(cluster: Cluster, task: str) -> str:
    count, name = len(cluster.addresses[task]), {"worker": "worker", "ps": "server"}[task]
    return f"{count} {name}{'s' * (count > 1)}"


class _LostWorkerFilter(logging.Filter):
    """Says in a line what TensorFlow says of a lost worker in fifty; it goes on by itself."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop every record, and say of a lost worker that it is gone."""
        if record.levelno >= logging.ERROR and str(record.msg).startswith("Worker %s failed"):
            worker = record.getMessage().split()[1].rpartition(":")[2]
            self._note(f"worker {worker} is gone: others take its steps, until it comes back")
        return False
