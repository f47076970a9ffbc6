"""Sums values over workers, and lets one of them wait for the other.

python -m tests.trainer.distribution.sums FOLDER [REPLICAS]

Writes FOLDER/NUMBER.json, with the number of the worker. With REPLICAS, it is one process that has
those of two workers, which have the same values.
"""

import json
import os
import pathlib
import sys

import numpy as np
import tensorflow as tf

from trainer.distribution import devices, strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives

VALUES = (*map(float, range(1, 99)), 0.1, -2.5, 3e9)


def of_worker(index: int) -> list[float]:
    return [value + index for value in VALUES]


def array_of_worker(index: int) -> np.ndarray:
    """Numbers that have no exact decimal; those of the others are very far from them."""
    return (1e6**index * np.arange(1, 7).reshape(2, 3) / 7).astype(np.float32)


def main(folder: str, replicas: str = "") -> None:
    here = pathlib.Path(folder)
    if replicas:
        devices.configure(logical=int(replicas))
        strategy: tf.distribute.Strategy = strategies.create("mirrored")
        cluster = Cluster({"worker": ["a:1", "b:1"]}, "worker", 0)
    else:
        cluster = Cluster.from_environment(os.environ)
        strategy = strategies.create("multi_worker_mirrored", cluster)
    collectives = Collectives(strategy, cluster)
    if cluster.index == 1:
        (here / "pipe").read_bytes()  # until the chief is about to wait for this one
        (here / "arrival").touch()
    elif not replicas:
        (here / "pipe").open("w").close()
    collectives.barrier()
    result = {
        "arrived": (here / "arrival").exists(),
        "workers": collectives.workers,
        "is_chief": collectives.is_chief,
        "sums": collectives.all_reduce_sum(*of_worker(cluster.index)),
        "broadcast": collectives.broadcast(array_of_worker(cluster.index)).tolist(),
    }
    (here / f"{cluster.index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
