"""Takes one step with each model, on one device and on two mirrored ones, and serves what came out.

python -m tests.models.one_step FOLDER

Prints a JSON object by the model's name: `moved`, the largest change of a weight; `strategies` and
`replicas`, how far the weights of two replicas are from one device's and from one another;
`restored` and `served`, how far the logits of a restored model and the probabilities of an exported
one are from the trained one's.
"""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from input.preprocessing.spec import Preprocessing
from models import classifier, registry
from models.layers.normalization import Normalization
from tests.models import small
from trainer.checkpoints.manager import CheckpointManager
from trainer.checkpoints.train_state import TrainState
from trainer.config.optimization import OptimizationConfig
from trainer.distribution import devices
from trainer.loop import train_step
from trainer.serving import saved_model
from trainer.serving.classifier import Classifier

CLASSES, BATCH = ("one", "two", "three"), 8


def main(folder: str, names: list[str]) -> None:
    """Report on all models, or on these."""
    devices.configure(logical=2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = names or registry.names()
    print(
        json.dumps({name: examine(name, mirrored, pathlib.Path(folder) / name) for name in found})
    )


def examine(name: str, mirrored: tf.distribute.Strategy, folder: pathlib.Path) -> dict[str, float]:
    """Return the report on a model."""
    single = new_state(name, tf.distribute.get_strategy())
    before = single.model.get_weights()
    step(name, tf.distribute.get_strategy(), single)
    double = new_state(name, mirrored)
    step(name, mirrored, double)
    replicas = [mirrored.experimental_local_results(v.value) for v in double.model.variables]

    single.step = 1
    manager = CheckpointManager(str(folder / "run"), single)
    manager.save()
    manager.wait()
    restored = new_state(name, tf.distribute.get_strategy(), seed=2)
    CheckpointManager(str(folder / "run"), restored).restore()
    images = batch(name)["image"]
    logits = single.model(images, training=False)

    version = saved_model.write(
        Classifier(single.model, Preprocessing(small.shape(name)[:2]), CLASSES), str(folder / "out")
    )
    signature = tf.saved_model.load(version).signatures["serving_default"]
    served = signature(image=tf.stack([tf.io.encode_png(image) for image in images]))
    return {
        "moved": max(map(distance, before, single.model.get_weights())),
        "strategies": max(map(distance, single.model.get_weights(), double.model.get_weights())),
        "replicas": max(distance(first.numpy(), second.numpy()) for first, second in replicas),
        "restored": distance(logits, restored.model(images, training=False)),
        "served": distance(tf.nn.softmax(logits), served["probabilities"]),
    }


def new_state(name: str, strategy: tf.distribute.Strategy, seed: int = 1) -> TrainState:
    """Return a model without chance, of this seed's weights, or those that its images make."""
    normalization = Normalization("unit")
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        model = classifier.build(
            small.shape(name),
            len(CLASSES),
            model=name,
            options=small.without_chance(name),
            normalization=normalization,
        )
        optimizer = keras.optimizers.SGD(1e-3)
        optimizer.build(model.trainable_variables)
    for variable, value in classifier.initial_weights(
        model, [batch(name)["image"]], model=name, normalization=normalization
    ):
        variable.assign(value)
    return TrainState(model, optimizer)


def step(name: str, strategy: tf.distribute.Strategy, state: TrainState) -> None:
    """Take a step with a batch."""
    batches = strategy.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices(batch(name)).batch(BATCH, drop_remainder=True)
    )
    train_steps = train_step.make_train_steps(
        strategy, state.model, state.optimizer, BATCH, OptimizationConfig()
    )
    train_steps(iter(batches), tf.constant(1, tf.int64), train_step.first_sums(strategy))


def batch(name: str) -> dict[str, np.ndarray]:
    """Return a batch of noise of the model's size."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, *small.shape(name)), dtype=np.uint8)
    return {"image": images, "label": np.arange(BATCH) % len(CLASSES)}


def distance(expected, found) -> float:
    """Return the norm of the difference, as a share of the norm where that is not tiny."""
    expected, found = np.asarray(expected), np.asarray(found)
    return float(np.linalg.norm(found - expected) / np.maximum(np.linalg.norm(expected), 1e-2))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
