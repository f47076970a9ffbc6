"""Evaluates a model of very many classes under a strategy, in a process of its own.

python -m tests.trainer.evaluation.evaluations STRATEGY LOGICAL_CPUS FOLDER

Writes FOLDER/NUMBER.json, with the number of the worker: 0 for the only one.
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from trainer.distribution import devices, strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives
from trainer.evaluation import eval_step

CLASSES, FEATURES, BATCH, RECORDS = 100_000, 4, 12, 31


def weights() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(FEATURES, CLASSES)).astype("f4")


def records() -> dict[str, np.ndarray]:
    """All records: the true class is the most probable one, one of the first five, or another."""
    image = np.random.default_rng(2).normal(size=(RECORDS, FEATURES)).astype("f4")
    place = np.resize([0, 0, 1, 4, 5, CLASSES - 1], RECORDS)
    best_first = np.argsort(-(image @ weights()), axis=1)
    return {"image": image, "label": best_first[range(RECORDS), place], "place": place}


def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
    """A pipeline's part of the batches, of which the last is filled up with weight 0."""
    local = BATCH // pipelines
    index = np.arange(-(-RECORDS // BATCH) * BATCH)
    index = index.reshape(-1, pipelines, local)[:, pipeline].ravel()
    padded = {name: values[np.minimum(index, RECORDS - 1)] for name, values in records().items()}
    dataset = tf.data.Dataset.from_tensor_slices(
        {
            "image": padded["image"][:, None, None],
            "label": padded["label"].astype("i8"),
            "weight": (index < RECORDS).astype("f4"),
        }
    )
    return dataset.batch(local, drop_remainder=True)


def main(strategy_name: str, cpus: str, folder: str) -> None:
    devices.configure(int(cpus))
    local_cluster = Cluster.from_environment(os.environ)
    strategy = strategies.create(strategy_name, local_cluster)
    with strategies.scope(strategy):
        image = keras.Input((1, 1, FEATURES))
        logits = keras.layers.Dense(CLASSES, use_bias=False)(keras.layers.Flatten()(image))
        model = keras.Model(image, logits)
        model.set_weights([weights()])
    predictions: list[list[int]] = []
    evaluate = eval_step.make_evaluate(
        strategy, model, lambda *classes: predictions.extend(np.transpose(classes).tolist())
    )
    result = evaluate(strategies.distribute(strategy, batches, BATCH))
    index = local_cluster.index
    pathlib.Path(folder, f"{index}.json").write_text(
        json.dumps(
            {"result": result, "replicas": strategy.num_replicas_in_sync, "pairs": predictions}
        )
    )
    Collectives(strategy, local_cluster).barrier()


if __name__ == "__main__":
    main(*sys.argv[1:])
