"""Headrace's batch stream as a contender of `benchmarks.input_pipeline`; see `peers.measure`.

    python -m benchmarks.headrace_stream DATA_DIR OUTPUT_DIR --images=4000
    python -m benchmarks.headrace_stream DATA_DIR OUTPUT_DIR --first_batch --start_step=1000000
    python -m benchmarks.headrace_stream DATA_DIR OUTPUT_DIR --without_contract

Photographs: a random resized crop and a flip. Bare pixels: pad-and-crop by 4 and a flip. `--kept`
decodes all records into memory before the clock starts, as a trainer does with small datasets.
`--without_contract` gives up what makes the stream the same each time, and keeps all else: records
come from interleaved TFRecord files through a shuffle buffer in any order, and the random numbers
from TensorFlow's own generator; decoding, cropping, resizing and flipping are Headrace's code, at
the same places.
"""

import argparse
import time

import tensorflow as tf

from benchmarks.peers import measure
from input import stream
from input.augment import crops, resized_crops, warp
from input.augment.config import Augmentation
from input.augment.rng import BatchRng
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from input.dataset.reader import Reader
from input.loading import decode
from input.loading.decoded_cache import build_cache
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order, default_lanes

SEED = 1
PAD = 4
SHUFFLE = 2000


def with_contract(asked: argparse.Namespace, card: Card) -> tf.data.Dataset:
    """Return the stream of the trainer."""
    reader = Reader(str(asked.source), card, "train")
    order = Order(len(reader), asked.batch, default_lanes(asked.batch), SEED)
    crop = {"pad": PAD} if card.bare else {"crop": "resized"}
    augmentation = Augmentation(horizontal_flip=True, **crop)
    preprocessing = Preprocessing(_size(card))
    return stream.training(
        reader,
        order,
        preprocessing,
        start_step=asked.start_step,
        augmentation=augmentation,
        decoded_cache=build_cache(reader, preprocessing, "memory") if asked.kept else None,
    )


def without_contract(asked: argparse.Namespace, card: Card) -> tf.data.Dataset:
    """Return the same work on records in any order."""
    paths = dataset_dir.shard_paths(str(asked.source), card, "train")
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "shape": tf.io.FixedLenFeature([3], tf.int64),
    }
    size, rng = _size(card), _Stateful(asked.batch)

    def bare(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.io.parse_example(encoded, features)
        image = decode.pixels(found["image"], found["shape"], card)
        image = tf.ensure_shape(image, [asked.batch, *size, card.channels])
        image = warp.flip(crops.pad_and_crop(image, rng, PAD), rng)
        return {"image": image, "label": found["label"]}

    def choose(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.io.parse_example(encoded, features)
        numbers = rng.uniform("resized crop", resized_crops.TRIES, 4)
        window = resized_crops.windows(numbers, found["shape"][:, :2])
        return {**found, "window": window, "mirror": warp.mirrors(rng, True)}

    def part(found: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        image = decode.part(found["image"], found["shape"], found["window"], card, size)
        image = tf.cond(found["mirror"], lambda: tf.reverse(image, [1]), lambda: image)
        return {"image": image, "label": found["label"]}

    def varied(batches: tf.data.Dataset, change) -> tf.data.Dataset:
        return batches.map(change, tf.data.AUTOTUNE, deterministic=False)

    files = tf.data.Dataset.from_tensor_slices(paths)
    encoded = files.interleave(
        tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
    )
    batches = encoded.shuffle(SHUFFLE).repeat().batch(asked.batch)
    if card.bare:
        batches = varied(batches, bare)
    else:
        parts = varied(varied(batches, choose).unbatch(), part)
        batches = parts.batch(asked.batch, drop_remainder=True)
    return batches.prefetch(tf.data.AUTOTUNE)


class _Stateful(BatchRng):
    """Random numbers for `count` images as `input.augment.rng` has them, but others each time."""

    def __init__(self, count: int) -> None:
        self._count = count

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        del name
        return tf.random.uniform([self._count, *shape], low, high)

    def bernoulli(self, name: str, probability: float) -> tf.Tensor:
        return self.uniform(name) < probability


def _size(card: Card) -> tuple[int, int]:
    size = card.uniform_size if card.bare else None
    return size or (measure.SIZE, measure.SIZE)


def main() -> None:
    """Run the program."""
    parser = measure.parser()
    parser.add_argument("--start_step", type=int, default=0)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--first_batch", action="store_true")
    parser.add_argument("--without_contract", action="store_true")
    asked = parser.parse_args()
    card = dataset_dir.read_card(str(asked.source))
    tf.constant(0)  # TensorFlow's own start is not the stream's
    started = time.perf_counter()
    batches = (without_contract if asked.without_contract else with_contract)(asked, card)
    if asked.first_batch:
        next(iter(batches))
        measure.write(asked.output, {"s": time.perf_counter() - started})
    else:
        measure.rate((batch["image"] for batch in batches), asked)


if __name__ == "__main__":
    main()
