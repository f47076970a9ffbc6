"""Flags about the data, for every program that streams training batches, and what they ask for.

    from trainer import data_flags

    flags.adopt_module_key_flags(data_flags)

    def main() -> None:
        card, seen = data_flags.asked_data()
        varied = data_flags.asked_augmentation(seen)

No TensorFlow is imported here.
"""

import dataclasses

from absl import flags

from headrace import files
from headrace.errors import UsageError
from input.augment import config
from input.augment.config import Augmentation
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card
from input.loading import cache_policy
from input.preprocessing import spec
from input.preprocessing.spec import Preprocessing
from input.sampling import class_sampling, order
from input.sampling.order import Order
from trainer.config import run as run_config

FLAGS = flags.FLAGS

flags.DEFINE_string("data_dir", None, "The dataset directory to train on.")
flags.DEFINE_string(
    "train_split",
    "train",
    "What to train on: a split, or slices of splits as TFDS writes them, such as train[:90%], "
    "train[1000:] or fold_0+fold_1.",
)
flags.DEFINE_list(
    "image_size",
    [],
    "Rows,columns of the model's input, for example 32,32. Images are scaled to cover it and the "
    "centre is cut out. Needed only when the images of the dataset differ in size.",
)
flags.DEFINE_list(
    "resize_to",
    [],
    "Rows,columns that images are brought to before the model's input is cut from them: the centre "
    "or, for training, a random part (--crop). Default: --image_size.",
)
flags.DEFINE_enum(
    "resize",
    "cover",
    spec.HOW,
    "How images come to that size: cover scales and cuts off what is over, squash changes their "
    "shape.",
)
flags.DEFINE_integer("batch_size", 64, "Global batch size, over all replicas.", 1)
flags.DEFINE_integer(
    "lanes",
    None,
    "Parts of the data that workers share out. It divides --batch_size, and the batches are the "
    "same for any number of workers that divides it. Default: 8, or as many as divide the batch.",
    1,
)
flags.DEFINE_integer(
    "chunk",
    None,
    "Consecutive records that are read together and stay near each other in an epoch's order. "
    "Default: 1, a shuffle of single records; of data on gs://, as many as make about 1 MiB.",
    1,
)
flags.DEFINE_integer(
    "window",
    None,
    "Steps whose records are shuffled among themselves, so that chunks are mixed. Default: as many "
    "as take 128 chunks; 1 if --chunk is 1.",
    1,
)
flags.DEFINE_enum(
    "batch_sampling",
    "natural",
    ["natural", *class_sampling.BATCHES],
    "What batches are made of: records as a shuffle of all gives them, stratified for the class "
    "proportions of the whole split in each batch, or balanced for all classes equally often.",
)
flags.DEFINE_integer("seed", 0, "Seed of initial weights and of the order of images.", 0)
flags.DEFINE_enum(
    "on_bad_record",
    "stop",
    ["stop", "skip"],
    "What to do with a damaged record: stop and say where it lies, or say so and take the next "
    "good one in its place.",
)
flags.DEFINE_enum(
    "cache",
    "auto",
    cache_policy.WHERE,
    "Where to keep decoded images, so that they are decoded once, not in every epoch; auto keeps "
    "small datasets in memory. Batches are the same.",
)
flags.DEFINE_string(
    "cache_dir",
    "~/.cache/headrace/decoded",
    "A local folder for --cache=disk; later runs use what is in it, and nothing deletes it.",
)
flags.DEFINE_enum(
    "augment",
    "none",
    list(config.PRESETS),
    "What is done to training images, by the name of an experiment; the flags below change it.",
)
_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_bool}
_VARIED = dataclasses.fields(Augmentation)
for _field in _VARIED:
    _DEFINE.get(_field.type, flags.DEFINE_string)(_field.name, None, _field.metadata["help"])


def asked_data() -> tuple[Card, Preprocessing]:
    """The card of the dataset, and how its images are to become the model's input.

    Raises:
        UsageError: a size makes no sense.
        UserError: there is no such dataset, or its images differ in size and no flag names one.
    """
    asked, base = (parse_size(name, FLAGS[name].value) for name in ("image_size", "resize_to"))
    card = dataset_dir.read_card(FLAGS.data_dir)
    seen = Preprocessing(tuple(run_config.image_size(card, asked)), tuple(base), FLAGS.resize)
    spec.check(seen)
    return card, seen


def asked_augmentation(seen: Preprocessing) -> Augmentation:
    """The preset of --augment, with what its flags change.

    Raises:
        UsageError: a value makes no sense.
    """
    given = {f.name: FLAGS[f.name].value for f in _VARIED if FLAGS[f.name].value is not None}
    asked = dataclasses.replace(config.PRESETS[FLAGS.augment], **given)
    config.check(asked, FLAGS.batch_size // asked_lanes(), seen)
    return asked


def asked_order(card: Card, records: int) -> Order:
    """The order in which the records that are trained on come."""
    chunk = FLAGS.chunk
    if chunk is None:
        far = files.is_remote(FLAGS.data_dir)
        stored = sum(split.records for split in card.splits.values())
        size = sum(shard.bytes for split in card.splits.values() for shard in split.shards)
        chunk = order.default_chunk(records, size * records // stored) if far else 1
    window = FLAGS.window or order.default_window(records, FLAGS.batch_size, chunk)
    return Order(
        records, FLAGS.batch_size, asked_lanes(), FLAGS.seed, chunk, window, FLAGS.batch_sampling
    )


def asked_lanes() -> int:
    """Those of --lanes, or as many as suit the batch."""
    return FLAGS.lanes or order.default_lanes(FLAGS.batch_size)


def parse_size(name: str, parts: list[str]) -> list[int]:
    """`["32", "48"]` → `[32, 48]`; one number stands for both; nothing for nothing.

    Args:
        name: of the flag.
        parts: its value.

    Raises:
        UsageError: not one or two positive whole numbers.
    """
    if not parts:
        return []
    if len(parts) > 2 or not all(part.isdigit() and int(part) for part in parts):
        raise UsageError(f"--{name}={','.join(parts)}: expected ROWS,COLUMNS, as in 224,224")
    sizes = [int(part) for part in parts]
    return sizes if len(sizes) == 2 else sizes * 2
