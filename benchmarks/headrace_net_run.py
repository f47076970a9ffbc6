"""Trains a variant of `models.headrace_net`, as a contender of `benchmarks.headrace_net`.

    python -m benchmarks.headrace_net_run DATA_DIR '{"dropout": 0.1}' FILE

Model, normalisation, first weights and batches are those of `trainer.task`. The loop is its own:
a rate that changes from step to step, and one that is another for biases, the trainer has not.
"""

import dataclasses
import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from headrace import program
from headrace.files import write_atomic
from input import stream
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.loading import cache_policy
from input.loading.decoded_cache import build_cache
from input.preprocessing.spec import Preprocessing
from input.sampling import even_sample, index_shuffle
from input.sampling.order import Order, default_lanes
from models import classifier, cost
from models.layers.normalization import Normalization

MODEL, SIZE = "headrace_net", (32, 32)
_BATCH = 1000  # of evaluation
_STEPS_PER_CALL = 20


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a variant is trained; the defaults are airbench94's, where the time allows.

    Attributes:
        epochs: how long.
        batch_size: images of a step.
        rate: peak of the learning rate, for a batch of 1,024 and the sum of its losses, and with
            what momentum makes of it.
        decay: part that a step takes away from weights, likewise.
        bias_factor: how much higher the rate of the biases of batch normalisation is.
        momentum: of Nesterov.
        warm_up: part of the steps in which the rate rises, from a fifth of its peak.
        smoothing: of labels.
        translate: pixels.
        alternating: whether an image is mirrored in every other epoch, and not by chance.
        seed: of weights and batches.
    """

    epochs: float = 2.0
    batch_size: int = 500
    rate: float = 11.5
    decay: float = 0.0153
    bias_factor: float = 64.0
    momentum: float = 0.85
    warm_up: float = 0.23
    smoothing: float = 0.2
    translate: int = 2
    alternating: bool = True
    seed: int = 1


class Triangle(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises to its peak and falls to 0, both evenly."""

    def __init__(self, peak: float, steps: int, warm_up: float) -> None:
        self.peak, self.steps, self.warm_up = peak, steps, warm_up

    def __call__(self, step):
        """Return the rate of a step, from 0."""
        done = tf.cast(step, tf.float32) / self.steps
        return self.peak * tf.minimum(
            0.2 + 0.8 * done / self.warm_up, (1 - done) / (1 - self.warm_up)
        )


def main(data_dir: str, changes: str, output: str) -> None:
    """Train a variant.

    Args:
        data_dir: dataset directory of CIFAR-10.
        changes: what differs from the base, as JSON.
        output: file for the figures.
    """
    recipe, options = parse_changes(json.loads(changes))
    card = dataset_dir.read_card(data_dir)
    reader = Reader(data_dir, card, "train")
    keras.utils.set_random_seed(recipe.seed)
    network = build(reader, options)
    steps = round(recipe.epochs * len(reader) / recipe.batch_size)
    seconds = train(network, reader, recipe, steps)
    plain, mirrored = evaluate(network, Reader(data_dir, card, "test"))
    figures = {
        "rank-1": (100 * plain, "%"),
        "rank-1, mirrored": (100 * mirrored, "%"),
        "training": (seconds, "CPU s"),
        "parameters": (network.count_params(), ""),
        "forward": (cost.flops(network) / 1e9, "GFLOP"),
    }
    write_atomic(output, json.dumps(figures).encode())
    print(pathlib.Path(output).stem, figures, flush=True)


def parse_changes(changes: Mapping[str, Any]) -> tuple[Recipe, dict[str, object]]:
    """Return the recipe of a variant, whose fields are `recipe.NAME`, and the model's options."""
    prefix = "recipe."
    fields = {name.removeprefix(prefix): changes[name] for name in changes if prefix in name}
    return Recipe(**fields), {name: changes[name] for name in changes if prefix not in name}


def build(reader: Reader, options: dict[str, object]) -> keras.Model:
    """Build a variant, with the weights that are made of images."""
    card = reader.card
    normalization = Normalization("channel", card.mean, card.std)
    network = classifier.build(
        (*SIZE, card.channels),
        len(card.classes),
        model=MODEL,
        options=options,
        normalization=normalization,
        mixed_precision="bfloat16",
    )
    sample = stream.evaluation(
        reader,
        Preprocessing(SIZE),
        batch_size=50,
        records=even_sample.record_indices(len(reader), 5000),
    )
    images = (batch["image"] for batch in sample.as_numpy_iterator())
    for variable, value in classifier.initial_weights(
        network, images, model=MODEL, normalization=normalization
    ):
        variable.assign(value)
    return network


def train(network: keras.Model, reader: Reader, recipe: Recipe, steps: int) -> float:
    """Train a network; return the CPU seconds that it took, with what the first call compiles."""
    scale = recipe.batch_size / (1024 * (1 + 1 / (1 - recipe.momentum)))
    peak = recipe.rate * scale
    optimizer = keras.optimizers.SGD(
        Triangle(peak, steps, recipe.warm_up), recipe.momentum, nesterov=True
    )
    variables = network.trainable_variables
    optimizer.build(variables)
    factors = [recipe.bias_factor if "beta" in each.path else 1.0 for each in variables]
    l2 = recipe.decay * scale / peak

    @tf.function
    def train_steps(iterator, count):
        loss = tf.constant(0.0)
        for _ in tf.range(count):
            batch = next(iterator)
            with tf.GradientTape() as tape:
                logits = network(batch["image"], training=True)
                labels = tf.one_hot(batch["label"], logits.shape[-1])
                losses = keras.losses.categorical_crossentropy(
                    labels, logits, from_logits=True, label_smoothing=recipe.smoothing
                )
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, [each.value for each in variables])
            optimizer.apply(
                [f * g + l2 * v for f, g, v in zip(factors, gradients, variables, strict=True)]
            )
        return loss

    iterator = iter(batches(reader, recipe))
    started = time.process_time()
    for step in range(0, steps, _STEPS_PER_CALL):
        count = min(_STEPS_PER_CALL, steps - step)
        loss = train_steps(iterator, tf.constant(count))
        if step % 100 == 0:
            print(f"  step {step + count} of {steps}, loss {loss:.3f}", flush=True)
    return time.process_time() - started


def batches(reader: Reader, recipe: Recipe) -> tf.data.Dataset:
    """Return the trainer's stream; with alternating flips, which it has not, mirrored here."""
    order = Order(len(reader), recipe.batch_size, default_lanes(recipe.batch_size), recipe.seed)
    augmentation = Augmentation(
        pad=recipe.translate, fill="reflect", horizontal_flip=not recipe.alternating
    )
    cacheable = cache_policy.cacheable_preprocessing(reader.card, Preprocessing(SIZE), "none")
    decoded = build_cache(reader, cacheable, "memory", "", lambda count: None)
    dataset = stream.training(
        reader, order, Preprocessing(SIZE), augmentation=augmentation, decoded_cache=decoded
    )
    if not recipe.alternating:
        return dataset
    chance = np.random.default_rng(recipe.seed).integers(0, 2, len(reader))

    def mirror(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        at_first = tf.gather(chance, index_shuffle.batch(order, step))
        mirrors = (at_first + step // order.steps_per_epoch) % 2 == 1
        image = batch["image"]
        image = tf.where(mirrors[:, None, None, None], tf.reverse(image, [2]), image)
        return {**batch, "image": image}

    steps = tf.data.Dataset.range(2**40)
    return tf.data.Dataset.zip(steps, dataset).map(mirror).prefetch(2)


def evaluate(network: keras.Model, reader: Reader) -> tuple[float, float]:
    """Return rank-1 of a split, and that of the mean over each image and its mirror image."""

    @tf.function
    def probabilities(images):
        return tf.nn.softmax(network(images, training=False))

    hits = np.zeros(2)
    data = stream.evaluation(reader, Preprocessing(SIZE), batch_size=_BATCH)
    for batch in data:
        plain = probabilities(batch["image"])
        both = plain + probabilities(tf.reverse(batch["image"], [2]))
        for number, each in enumerate((plain, both)):
            hits[number] += np.sum(np.argmax(each, 1) == batch["label"].numpy())
    plain, mirrored = hits / len(reader)
    return plain, mirrored


if __name__ == "__main__":
    program.run(main)
