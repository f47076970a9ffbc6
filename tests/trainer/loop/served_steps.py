"""Trains a small network by two workers beside a parameter server, and by itself, in one process.

python -m tests.trainer.loop.served_steps OUTPUT.json CHIEF WORKER WORKER SERVER

OUTPUT has what came of it, by case: `alone`, `still` and `moving`. `still` has a learning rate of
0, so that it does not matter in which order workers come to their steps.
"""

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.distribution import parameter_server
from trainer.distribution.cluster import Cluster
from trainer.loop import async_step, train_step

BATCH, FEATURES, CLASSES = 8, 5, 3
CALLS = (1, 7, 12)
FIRST_SUMS = (5.0, 2.0)
CONFIG = OptimizationConfig(clip_norm=1.0)


def dataset() -> tf.data.Dataset:
    """Batches of random records, a few more than are trained on."""
    image = np.random.default_rng(0).normal(size=(BATCH * (sum(CALLS) + 3), 1, 1, FEATURES))
    label = image[:, 0, 0, :CLASSES].argmax(1)
    records = {"image": image.astype("f4"), "label": label, "weight": np.ones(len(label), "f4")}
    return tf.data.Dataset.from_tensor_slices(records).batch(BATCH)


class Batches:
    """An iterator over them that counts those that are taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._iterator = iter(dataset())

    def __iter__(self) -> Iterator[dict[str, tf.Tensor]]:
        return self

    def __next__(self) -> dict[str, tf.Tensor]:
        self.taken += 1
        return next(self._iterator)


def made(learning_rate: float) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((1, 1, FEATURES)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    )
    optimizer = keras.optimizers.SGD(learning_rate)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def trained(step_fns: train_step.StepFns, optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    train_steps = step_fns.make_train()
    batches, sums, progress = Batches(), step_fns.first_sums(FIRST_SUMS), []
    for count in CALLS:
        sums = train_steps(batches, tf.constant(count, tf.int64), sums)
        progress.append([batches.taken, int(optimizer.iterations.numpy())])
    assert step_fns.finite_steps
    return {
        "sums": step_fns.total(sums).tolist(),
        "progress": progress,
        "finite_steps": step_fns.finite_steps(sums),
    }


def main(output: str, chief: str, *others: str) -> None:
    *workers, server = others
    addresses = {"chief": [chief], "worker": workers, "ps": [server]}
    spec = tf.train.ClusterSpec(addresses)
    tasks = [("ps", 0), *(("worker", index) for index in range(len(workers)))]
    # In one process they would have the threads of its few cores, and wait for each other.
    threads = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=8)
    servers = [tf.distribute.Server(spec, task, index, "grpc", threads) for task, index in tasks]
    here = tf.distribute.get_strategy()
    model, optimizer = made(0.0)
    alone = train_step.make_step_fns(here, model, optimizer, BATCH, CONFIG, None)
    count, sums = tf.constant(sum(CALLS), tf.int64), alone.first_sums(FIRST_SUMS)
    sums = alone.total(alone.make_train()(iter(dataset()), count, sums))
    found: dict[str, Any] = {"alone": {"sums": sums.tolist()}}
    strategy = parameter_server.connect(Cluster(addresses, "chief", 0), print)
    for case, learning_rate in (("still", 0.0), ("moving", 0.5)):
        with strategy.scope():
            model, optimizer = made(learning_rate)
        local_model, _ = made(0.0)
        step_fns = async_step.make_step_fns(
            strategy, model, optimizer, BATCH, CONFIG, workers=len(workers), local_model=local_model
        )
        before = step_fns.evaluate(dataset().take(1))
        found[case] = trained(step_fns, optimizer) | {
            "before": before,
            "after": step_fns.evaluate(dataset().take(1)),
            "weights": [weight.tolist() for weight in model.get_weights()],
            "min_steps_per_loop": step_fns.min_steps_per_loop,
            "evaluates_inline": step_fns.evaluates_inline,
        }
    pathlib.Path(output).write_text(json.dumps(found))
    del servers


if __name__ == "__main__":
    main(*sys.argv[1:])
