"""Processes that save checkpoints, for tests that kill them, fill their disk or span several.

They are forked from a server that has TensorFlow imported, so that each starts in a moment.
"""

import json
import multiprocessing
import os
import resource
import signal

import numpy as np

from headrace.tensorflow_import import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from trainer.checkpoints.manager import CheckpointManager  # noqa: E402
from trainer.checkpoints.train_state import TrainState  # noqa: E402

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.trainer.savers"])


def tiny(seed: int = 0, units: int = 40) -> TrainState:
    """A model with batch statistics, and an optimizer with slots."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(units),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    return TrainState(model, optimizer)


def train(strategy, state: TrainState, steps: int = 3) -> None:
    """Takes steps, so that every variable changes."""

    model, optimizer = state.model, state.optimizer

    def replica_step() -> None:
        with tf.GradientTape() as tape:
            logits = model(tf.random.stateless_normal([8, 6], [1, 2]), training=True)
            loss = tf.reduce_mean(logits**2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    @tf.function
    def step() -> None:
        strategy.run(replica_step)

    for _ in range(steps):
        step()


def values(state: TrainState) -> list[bytes]:
    """What the variables hold, replica after replica."""
    strategy = tf.distribute.get_strategy()
    return [
        each.numpy().tobytes()
        for variable in state.model.variables + state.optimizer.variables
        for each in strategy.experimental_local_results(variable.value)
    ]


def fill(state: TrainState, step: int) -> None:
    """Lets all that a checkpoint holds tell its step."""
    for variable in state.model.variables:
        variable.assign(tf.fill(variable.shape, float(step)))
    state.step = state.sums_from_step = step
    state.metric_sums = np.array([step, step], float)


def content(state: TrainState) -> set[float]:
    """What `fill` filled in, as far as it is the same everywhere."""
    variables = [variable.numpy() for variable in state.model.variables]
    all_values = [state.step, state.sums_from_step, state.metric_sums, *variables]
    return {float(value) for each in all_values for value in np.unique(each)}


def save_for_ever(workdir: str, answer) -> None:
    """Goes on from the last checkpoint and saves step after step; tells each that stands."""
    state = tiny()
    manager = CheckpointManager(workdir, state, max_to_keep=1)
    manager.restore()
    answer.send(state.step)
    while True:
        fill(state, state.step + 1)
        state.record_evaluation(state.step)
        manager.save_best()
        manager.save()
        if state.step % 3 == 0:
            manager.wait()
            answer.send(state.step)


def save_on_a_full_disk(workdir: str, answer) -> None:
    """Saves step 1, and then step 2 where a file can have only 2,000 bytes; tells the error."""
    state = tiny()
    manager = CheckpointManager(workdir, state)
    fill(state, 1)
    manager.save()
    manager.wait()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    fill(state, 2)
    manager.save()
    try:
        manager.wait()
    except Exception as error:
        answer.send(f"{type(error).__name__} {error}")


def under_a_strategy(
    workdir: str, answer, seed: int, cpus: int, cluster: list[str], index: int, saves: bool
) -> None:
    """Trains and saves, or restores, on logical CPUs or as one of several workers.

    Answers the step and the values of all replicas.
    """
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * cpus,
    )
    if cluster:
        task = {"type": "worker", "index": index}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(cpus)])
    with strategy.scope():
        state = tiny(seed)
        manager = CheckpointManager(workdir, state, writes=index == 0)
        manager.restore()
    step = state.step
    if saves:
        train(strategy, state)
        state.step = 3
        manager.save()
        manager.wait()
    with strategy.scope():
        answer.send((step, values(state)))
    answer.recv()  # a worker that left would take the others with it
