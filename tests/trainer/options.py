"""Trains a small network with each of some options, on one device and on two replicas, which have a
copy of the weights each or one of them all.

python -m tests.trainer.options OUTPUT.npz

In a process of its own, since it splits the CPU. OUTPUT has arrays `CASE/STRATEGY/REPLICA/NUMBER`,
the weights after `STEPS` steps, and `CASE/STRATEGY/sums`, cross-entropy and hits of all of them.
"""

import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import classifier
from tests.trainer.configs import with_values
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import RunConfig
from trainer.distribution import devices, strategies
from trainer.loop import train_step
from trainer.optimization import optimizers
from trainer.optimization.ema import average_weights

BATCH, STEPS, FEATURES, CLASSES = 16, 8, 5, 3

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "plain_in_one_call": {"calls": (STEPS,)},
    "norm": {"norm": True},
    "clip": {"clip_norm": 0.05},
    "accumulate": {"grad_accum_steps": 4},
    "accumulate_norm": {"grad_accum_steps": 4, "norm": True},
    "accumulate_clip_penalty": {"grad_accum_steps": 2, "clip_norm": 0.05, "regularizer": "l2"},
    "clip_penalty": {"clip_norm": 0.05, "regularizer": "l2"},
    "ema": {"ema": 0.9},
    "bfloat16": {"mixed_precision": "bfloat16"},
    "float16": {"mixed_precision": "float16"},
    "float16_clip": {"mixed_precision": "float16", "clip_norm": 0.05},
    "float16_overflow": {"mixed_precision": "float16", "overflows": True},
    "jit": {"jit_compile": True},
    "jit_all": {
        "jit_compile": True,
        "mixed_precision": "float16",
        "clip_norm": 0.05,
        "grad_accum_steps": 2,
        "ema": 0.9,
    },
    "schedule_free": {
        "optimizer": {"optimizer": "schedule_free_adamw", "lookahead_steps": 3, "weight_decay": 0.1}
    },
    "lookahead": {"optimizer": {"lookahead_steps": 3, "ema_decay": 0.9}, "grad_accum_steps": 2},
    "groups": {
        "optimizer": {
            "optimizer": "nadam",
            "group_optimizers": ("*/bias=sgd(learning_rate=0.3)", "dense#0/*=muon"),
            "ema_decay": 0.9,
        },
    },
    "groups_jit": {
        "optimizer": {
            "optimizer": "schedule_free_adamw",
            "group_optimizers": ("*/bias=sgd(learning_rate=0.3)",),
            "lookahead_steps": 3,
        },
        "jit_compile": True,
        "mixed_precision": "float16",
    },
}

# Of central storage.
CENTRAL = ("plain", "norm", "clip_penalty", "ema", "bfloat16", "schedule_free", "groups")


def main(output: str) -> None:
    devices.configure(logical=2)
    one = tf.distribute.get_strategy()
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    central = strategies.create("central_storage")
    found: dict[str, np.ndarray] = {}
    for name, options in CASES.items():
        made = [("one", one), ("two", two)] + [("central", central)] * (name in CENTRAL)
        for strategy_name, strategy in made:
            for key, value in trained(strategy, **options).items():
                found[f"{name}/{strategy_name}/{key}"] = value
    np.savez(output, **found)  # type: ignore[arg-type]  # NumPy's types know one keyword alone


def trained(
    strategy: tf.distribute.Strategy,
    *,
    regularizer: str | None = None,
    norm: bool = False,
    ema: float = 0.0,
    optimizer: dict[str, Any] | None = None,
    mixed_precision: str = "none",
    overflows: bool = False,
    calls: tuple[int, ...] = (1, 3, STEPS - 4),
    **options,
) -> dict[str, np.ndarray]:
    keras.utils.set_random_seed(3)
    with strategies.scope(strategy):
        with classifier.dtype_policy(mixed_precision):
            inputs = keras.Input((FEATURES,))
            x = keras.layers.Dense(8, "tanh", kernel_regularizer=regularizer)(inputs)
            x = keras.layers.BatchNormalization(momentum=0.9, synchronized=True)(x) if norm else x
            logits = keras.ops.cast(keras.layers.Dense(CLASSES)(x), "float32")
        model = keras.Model(inputs, logits)
        values = optimizer or {"optimizer": "momentum", "ema_decay": ema}
        config = with_values(
            RunConfig(), **values, learning_rate=0.1, mixed_precision=mixed_precision
        )
        made = optimizers.build(config, model)
    train_steps = train_step.make_train_steps(
        strategy, model, made, BATCH, OptimizationConfig(**options)
    )
    iterator = iter(strategy.experimental_distribute_dataset(batches(overflows)))
    sums = train_step.first_sums(strategy)
    found: dict[str, Any] = {"devices_before": devices_of(strategy, sums)}
    for count in calls:
        sums = train_steps(iterator, tf.constant(count, tf.int64), sums)
    found |= {"sums": train_step.total(strategy, sums), "devices": devices_of(strategy, sums)}
    if mixed_precision == "float16":
        found["scale"] = made.dynamic_scale.numpy()
    for number, variable in enumerate(model.variables):
        for replica, value in enumerate(strategy.experimental_local_results(variable.value)):
            found[f"{replica}/{number}"] = value.numpy()
    with average_weights(made):
        for number, variable in enumerate(model.variables):
            found[f"averaged/{number}"] = variable.numpy()
    return found


def devices_of(strategy: tf.distribute.Strategy, sums) -> list[str]:
    return [value.backing_device for value in strategy.experimental_local_results(sums)]


def batches(overflows: bool) -> tf.data.Dataset:
    """Random records. Where it overflows, the last record of each batch, so one of the second of
    two replicas, has a gradient that float16 cannot hold at first."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(BATCH * STEPS, FEATURES)).astype(np.float32)
    label = rng.integers(0, CLASSES, BATCH * STEPS)
    weight = np.ones(BATCH * STEPS, np.float32)
    if overflows:
        weight[BATCH - 1 :: BATCH] = 100
    records = {"image": image, "label": label, "weight": weight}
    return tf.data.Dataset.from_tensor_slices(records).batch(BATCH, True)


if __name__ == "__main__":
    main(*sys.argv[1:])
