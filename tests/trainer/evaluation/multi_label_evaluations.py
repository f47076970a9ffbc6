"""Evaluates a model of images of several labels under a strategy, in a process of its own.

python -m tests.trainer.evaluation.multi_label_evaluations STRATEGY LOGICAL_CPUS FOLDER

Writes FOLDER/NUMBER.json, with the number of the worker: 0 for the only one.
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.distribution import devices, strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.evaluation import multi_label_step
from trainer.optimization import losses

CLASSES, FEATURES, BATCH, RECORDS = 7, 4, 6, 25


def weights() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(FEATURES, CLASSES)).astype("f4")


def records() -> dict[str, np.ndarray]:
    """All records; the last class is in none of them, and some have no label."""
    rng = np.random.default_rng(2)
    image = rng.normal(size=(RECORDS, FEATURES)).astype("f4")
    label = (image @ weights() + rng.normal(size=(RECORDS, CLASSES)) > 1.5).astype("u1")
    label[:, -1] = 0
    label[::6] = 0
    return {"image": image, "label": label}


def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
    """A pipeline's part of the batches, of which the last is filled up with weight 0."""
    local = BATCH // pipelines
    index = np.arange(-(-RECORDS // BATCH) * BATCH)
    index = index.reshape(-1, pipelines, local)[:, pipeline].ravel()
    padded = {name: values[np.minimum(index, RECORDS - 1)] for name, values in records().items()}
    dataset = tf.data.Dataset.from_tensor_slices(
        {
            "image": padded["image"][:, None, None],
            "label": padded["label"],
            "weight": (index < RECORDS).astype("f4"),
        }
    )
    return dataset.batch(local, drop_remainder=True)


def evaluated(strategy: tf.distribute.Strategy) -> dict[str, object]:
    """The result, and the labels and probabilities of all records."""
    with strategies.scope(strategy):
        image = keras.Input((1, 1, FEATURES))
        logits = keras.layers.Dense(CLASSES, use_bias=False)(keras.layers.Flatten()(image))
        model = keras.Model(image, logits)
        model.set_weights([weights()])
    seen: dict[str, object] = {}

    def collect(labels: np.ndarray, scores: np.ndarray) -> None:
        seen.update(labels=labels.tolist(), scores=scores.tolist())

    label_losses = losses.make_eval_losses(OptimizationConfig(loss="binary"))
    evaluate = multi_label_step.make_evaluate(strategy, model, label_losses, collect)
    result = evaluate(strategies.distribute(strategy, batches, BATCH))
    return {"result": result, "replicas": strategy.num_replicas_in_sync, **seen}


def main(strategy_name: str, cpus: str, folder: str) -> None:
    devices.configure(int(cpus))
    cluster = Cluster.from_environment(os.environ)
    strategy = strategies.create(strategy_name, cluster)
    written = evaluated(strategy)
    pathlib.Path(folder, f"{cluster.index}.json").write_text(json.dumps(written))
    Collectives(strategy, cluster).barrier()


if __name__ == "__main__":
    main(*sys.argv[1:])
