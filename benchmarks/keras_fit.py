"""`Model.fit` of Keras, as a contender of `benchmarks.training`.

    python -m benchmarks.keras_fit --workdir=OUTPUT_DIR/run --first=280 --last=1120 …

Model and optimizer are those that `trainer.task` makes of the same flags; the images of the
training split are in memory before the clock starts. Plain, it is what Keras's guides begin with:
`model.compile()`, and `model.fit()` on NumPy arrays. `--tuned` follows what they advise for speed:
a `tf.data.Dataset` that is cached, shuffled, batched and prefetched; `--epoch_a_call` sets
`steps_per_execution` to all steps of an epoch, the most that it can be; `--nojit` is without XLA,
which Keras chooses by itself. Nothing is saved, and an epoch prints one line.
"""

import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks.peers import measure
from headrace import program
from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from trainer import run_model, task
from trainer.config import flags as training_flags
from trainer.config.run import RunConfig
from trainer.optimization import optimizers

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(task)
flags.DEFINE_integer("first", None, "Steps before the clock starts.", 1, required=True)
flags.DEFINE_integer("last", None, "The step at which it stops.", 2, required=True)
flags.DEFINE_bool("tuned", False, "Take batches from a tf.data.Dataset.")
flags.DEFINE_bool("epoch_a_call", False, "As many steps_per_execution as an epoch has.")
flags.DEFINE_bool("jit", True, "Let Keras choose XLA.")


class Clock(keras.callbacks.Callback):
    """Notes when each epoch ends.

    Attributes:
        times: in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Note the time; `fit` calls this."""
        self.times.append(time.perf_counter())


def main() -> None:
    """Run the program."""
    config = training_flags.parse()
    card = dataset_dir.read_card(config.data.data_dir)
    config = training_flags.resolve(config, card)
    images, labels = in_memory(config, Reader(config.data.data_dir, card, config.data.train_split))
    if FLAGS.tuned:
        data = tf.data.Dataset.from_tensor_slices((images, labels)).cache().shuffle(len(images))
        batches = data.batch(config.data.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
        arguments, per_epoch = {"x": batches}, len(images) // config.data.batch_size
    else:
        arguments = {"x": images, "y": labels, "batch_size": config.data.batch_size}
        per_epoch = -(-len(images) // config.data.batch_size)
    keras.utils.set_random_seed(config.data.seed)
    model = run_model.build(config)
    model.compile(
        optimizer=optimizers.create(
            config.optimization.optimizer, config.optimization.learning_rate
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=per_epoch if FLAGS.epoch_a_call else 1,
        jit_compile="auto" if FLAGS.jit else False,
    )
    clock = Clock()
    first, last = -(-FLAGS.first // per_epoch), -(-FLAGS.last // per_epoch)
    last = max(last, first + 1)
    model.fit(**arguments, epochs=last, verbose=2, callbacks=[clock])
    seconds = clock.times[last - 1] - clock.times[first - 1]
    measure.write(
        pathlib.Path(FLAGS.workdir).parent, {"steps/s": (last - first) * per_epoch / seconds}
    )


def in_memory(config: RunConfig, reader: Reader) -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 `[records, rows, columns, channels]`, and labels of a split."""
    batches = stream.evaluation(
        reader, config.data.preprocessing, batch_size=config.data.batch_size
    )
    found = list(batches.as_numpy_iterator())
    images, labels = (np.concatenate([each[name] for each in found]) for name in ("image", "label"))
    return images[: len(reader)], labels[: len(reader)]


if __name__ == "__main__":
    program.run(main)
