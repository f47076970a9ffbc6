"""Asynchronous training: workers take steps as they get to them, on weights that servers hold.

The chief reads the batches in their order and schedules a step for each. A worker that is free
takes the next one, computes the gradient at the weights as they are then, and changes them; a step
of a worker that goes meanwhile is taken by another. Where the chief logs, evaluates or saves, no
step is under way: a checkpoint of step t has seen the batches before t, and no other.

Workers and servers only `serve`: what they do is sent to them. They end when the chief does.
"""

import collections
import logging
import time
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from headrace.errors import StoppedError, UserError
from trainer import run_dir
from trainer.distribution import liveness
from trainer.distribution.cluster import Cluster
from trainer.distribution.preemption import Interruption
from trainer.evaluation import eval_step
from trainer.loop import train_step
from trainer.optimization import gradients

# Steps scheduled for each worker, so that it finds the next one when it has done with one.
_AHEAD = 3

# Steps of each worker in a call, at whose end workers wait for the last one of them.
_LEAST = 4

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


def compiled(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    class_weights: np.ndarray | None = None,
    *,
    workers: int,
    evaluated: keras.Model,
    clip_norm: float = 0.0,
) -> train_step.Compiled:
    """Steps of the workers, and evaluation by the chief itself.

    Args:
        strategy: of `connect`.
        model: made under it, and
        optimizer: likewise, built.
        batch_size: of each step, which one worker takes as a whole.
        class_weights: see `steps.make_train_steps`.
        workers: how many there are.
        evaluated: the same model, made under no strategy; it gets the weights and is evaluated.
        clip_norm: the norm that the gradient of a batch is scaled down to, as there.
    """
    own = tf.distribute.get_strategy()
    evaluate = eval_step.make_evaluate(own, evaluated)

    def evaluate_here(batches: Iterable) -> dict[str, float]:
        evaluated.set_weights(model.get_weights())
        return evaluate(batches)

    step = _make_step(strategy, model, optimizer, batch_size, class_weights, clip_norm)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    train = _make_train_steps(coordinator, step, optimizer, _AHEAD * workers)
    return train_step.Compiled(train, evaluate_here, least=_LEAST * workers, watches=False)


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


def _make_step(
    strategy: tf.distribute.ParameterServerStrategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
    class_weights: np.ndarray | None,
    clip_norm: float,
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """What a worker does with a batch; gives float64 `[2]`, its cross-entropy and rank-1 hits."""
    gradients_of = gradients.make(model, optimizer, batch_size, 1, class_weights)

    def replica_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        own, sums = gradients_of(batch)
        optimizer.apply(gradients.of_global_batch(own, optimizer, clip_norm) if clip_norm else own)
        return tf.cast(sums, tf.float64)

    return tf.function(lambda batch: strategy.run(replica_step, args=(batch,)))


def _make_train_steps(
    coordinator: tf.distribute.coordinator.ClusterCoordinator,
    step: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    optimizer: keras.optimizers.Optimizer,
    ahead: int,
) -> train_step.TrainSteps:
    def result(value: tf.distribute.coordinator.RemoteValue) -> np.ndarray:
        try:
            return value.fetch()
        except tf.errors.UnavailableError:
            coordinator.join()  # the worker went before its result was here: another gives one
            return value.fetch()

    def train_steps(batches: Iterator, count: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        taken = int(optimizer.iterations.numpy()) + int(count)
        under_way, total = collections.deque(), sums
        for _ in range(int(count)):
            under_way.append(coordinator.schedule(step, args=(next(batches),)))
            if len(under_way) > ahead:
                total += result(under_way.popleft())
        coordinator.join()
        # Two workers that count at the same time count one step.
        optimizer.iterations.assign(taken)
        return total + sum(map(result, under_way), np.zeros(2))

    return train_steps


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
