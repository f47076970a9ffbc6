"""A training loop as one writes it by hand, as a contender of `benchmarks.training`.

    python -m benchmarks.bare_loop --workdir=OUTPUT_DIR/run --first=50 --last=150 --data_dir=DATA …

Model, optimizer and batch stream are those that `trainer.task` makes of the same flags. All steps
that count run in one call of a `tf.function`, which takes batches and applies gradients and does
nothing else: no sums, no log lines, no signals, no checkpoints.
"""

import pathlib
import time
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import flags

from benchmarks.peers import measure
from headrace import program
from input.dataset import dataset_dir
from trainer import run_model, task
from trainer.config import flags as training_flags
from trainer.config.run import RunConfig
from trainer.optimization import optimizers
from trainer.reporting.progress import TrainingProgress
from trainer.run_data import Data

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(task)
flags.DEFINE_integer("first", None, "Steps before the clock starts.", 1, required=True)
flags.DEFINE_integer("last", None, "The step at which it stops.", 2, required=True)


def main() -> None:
    """Run the program."""
    config = training_flags.parse()
    card = dataset_dir.read_card(config.data.data_dir)
    config = training_flags.resolve(config, card)
    data = Data(config, card, tf.distribute.get_strategy(), TrainingProgress(0, visible=False))
    train, batches = make_loop(config), iter(data.training(0))
    train(batches, tf.constant(FLAGS.first))
    started = time.perf_counter()
    train(batches, tf.constant(FLAGS.last - FLAGS.first))
    rate = (FLAGS.last - FLAGS.first) / (time.perf_counter() - started)
    measure.write(pathlib.Path(FLAGS.workdir).parent, {"steps/s": rate})


def make_loop(config: RunConfig) -> Callable:
    """Make `train(iterator, count)`."""
    keras.utils.set_random_seed(config.data.seed)
    model = run_model.build(config)
    optimizer = optimizers.create(config.optimization.optimizer, config.optimization.learning_rate)
    optimizer.build(model.trainable_variables)

    @tf.function
    def train(batches, count):
        for _ in tf.range(count):
            batch = next(batches)
            with tf.GradientTape() as tape:
                logits = model(batch["image"], training=True)
                losses = keras.losses.sparse_categorical_crossentropy(
                    batch["label"], logits, from_logits=True
                )
                loss = tf.reduce_mean(losses) + tf.add_n(model.losses or [0.0])
            optimizer.apply(tape.gradient(loss, model.trainable_variables))

    return train


if __name__ == "__main__":
    program.run(main)
