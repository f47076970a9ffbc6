"""Takes a step by each loss under a strategy, in a process of its own.

python -m tests.trainer.optimization.loss_steps STRATEGY LOGICAL_CPUS FILE CASE…

Writes the JSON of the cases' `step` to FILE.
"""

import json
import pathlib
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.config.optimization import OptimizationConfig
from trainer.distribution import devices, strategies
from trainer.loop import train_step

CLASSES, FEATURES, BATCH = 5, 3, 8
CLASS_WEIGHTS = np.array([1, 2.5, 4, 1.5, 3], "f4")
_WEIGHTED: dict[str, Any] = {"label_smoothing": 0.2, "class_weights": "balanced"}

# Of each case, whether images have several labels, and how a step is taken.
CASES: dict[str, tuple[bool, OptimizationConfig]] = {
    f"{kind}_{loss}_{'plain' if not more else 'weighted'}": (
        kind == "several",
        OptimizationConfig(loss=loss, **more),
    )
    for kind, losses in (
        ("one", ("auto", "cross_entropy", "focal", "binary", "binary_focal")),
        ("several", ("auto", "binary", "binary_focal")),
    )
    for loss in losses
    for more in ({}, _WEIGHTED)
}
CASES["one_focal_options"] = (
    False,
    OptimizationConfig(loss="focal", loss_options={"gamma": 0.5, "alpha": 1}),
)
CASES["several_binary_focal_options"] = (
    True,
    OptimizationConfig(loss="binary_focal", loss_options={"gamma": 0.5, "alpha": 0.6}),
)


def batch(several: bool) -> dict[str, np.ndarray]:
    """Mixed images with weights; of several labels, some have none at all."""
    rng = np.random.default_rng(3)
    label, other = rng.integers(0, CLASSES, (2, BATCH))
    if several:
        label, other = (rng.random((2, BATCH, CLASSES)) < 0.4).astype(np.uint8)
        label[0] = other[1] = 0
    return {
        "image": rng.normal(size=(BATCH, FEATURES)).astype("f4"),
        "label": label,
        "other_label": other,
        "share": rng.uniform(0.5, 1, BATCH).astype("f4"),
        "weight": rng.uniform(0, 2, BATCH).astype("f4"),
    }


def kernel() -> np.ndarray:
    return np.random.default_rng(4).normal(scale=2, size=(FEATURES, CLASSES)).astype("f4")


def step(strategy: tf.distribute.Strategy, case: str) -> dict[str, list]:
    """The sums of a step of SGD at a rate of 1, and the gradient that it went by."""
    several, config = CASES[case]
    with strategies.scope(strategy):
        model = keras.Sequential(
            [keras.Input((FEATURES,)), keras.layers.Dense(CLASSES, use_bias=False)]
        )
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(model.trainable_variables)
    model.set_weights([kernel()])
    class_weights = None if config.class_weights == "none" else CLASS_WEIGHTS
    train_steps = train_step.make_train_steps(
        strategy, model, optimizer, BATCH, config, class_weights
    )

    def batches(pipeline: int, pipelines: int) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(batch(several))

    iterator = iter(strategies.distribute(strategy, batches, BATCH))
    sums = train_steps(iterator, tf.constant(1, tf.int64), train_step.first_sums(strategy))
    (moved,) = model.get_weights()
    gradient = (kernel() - moved) * BATCH
    return {"sums": train_step.total(strategy, sums).tolist(), "gradient": gradient.tolist()}


def main(strategy_name: str, cpus: str, path: str, *cases: str) -> None:
    devices.configure(int(cpus))
    strategy = strategies.create(strategy_name)
    written = {case: step(strategy, case) for case in cases}
    replicas = strategy.num_replicas_in_sync
    pathlib.Path(path).write_text(json.dumps({"replicas": replicas, "steps": written}))


if __name__ == "__main__":
    main(*sys.argv[1:])
