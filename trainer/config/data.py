"""Which images a run trains on, in which order and size, and where they are kept decoded."""

import dataclasses
from typing import Any

from headrace import files
from headrace.config_flags import PathParser, ValueParser, option
from headrace.errors import UserError
from input.augment.config import PRESETS
from input.dataset.dataset_dir import Card
from input.loading import cache_policy
from input.preprocessing import spec
from input.preprocessing.spec import Preprocessing
from input.sampling import class_sampling, order
from input.sampling.order import Order
from trainer.config import splits


class SizeParser(ValueParser):
    """Reads `32,48` as rows and columns; one number stands for both, nothing for none."""

    hint = "ROWS,COLUMNS"

    def parse(self, argument: Any) -> tuple[int, ...]:
        """Return rows and columns, or an empty tuple."""
        if not isinstance(argument, str):
            return tuple(argument)
        if not argument:
            return ()
        parts = argument.split(",")
        if len(parts) > 2 or not all(part.isdigit() and int(part) for part in parts):
            raise ValueError("expected ROWS,COLUMNS, as in 224,224")
        rows, columns = (parts * 2)[:2]
        return int(rows), int(columns)

    def format(self, value: tuple[int, ...]) -> str:
        """Return `rows,columns`."""
        return ",".join(map(str, value))


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a run reads. What has no value by itself, `resolve` fills in from dataset and batch."""

    data_dir: str = option(None, "The dataset directory to train on.", parser=PathParser())
    train_split: str = option(
        "train",
        "What to train on: a split, or slices of splits as TFDS writes them, such as train[:90%], "
        "train[1000:] or fold_0+fold_1.",
        on_resume="same",
        affects=("mean_image",),
    )
    image_size: tuple[int, ...] = option(
        (),
        "Rows,columns of the model's input, for example 32,32. Images are scaled to cover it and "
        "the centre is cut out. Needed only when the images of the dataset differ in size.",
        parser=SizeParser(),
        on_resume="same",
        affects=("mean_image", "evaluation"),
    )
    resize_to: tuple[int, ...] = option(
        (),
        "Rows,columns that images are brought to before the model's input is cut from them: the "
        "centre or, for training, a random part (`crop`). Default: `image_size`.",
        parser=SizeParser(),
        on_resume="same",
        affects=("mean_image", "evaluation"),
    )
    resize: str = option(
        "cover",
        "How images come to that size: cover scales and cuts off what is over, squash changes "
        "their shape.",
        choices=spec.HOW,
        on_resume="same",
        affects=("mean_image", "evaluation"),
    )
    batch_size: int = option(
        64, "Global batch size, over all replicas.", minimum=1, on_resume="same"
    )
    lanes: int = option(
        None,
        "Parts of the data that workers share out. It divides `batch_size`, and the batches are "
        "the same for any number of workers that divides it. Default: 8, or as many as divide the "
        "batch.",
        minimum=1,
        on_resume="same",
    )
    shuffle_chunk: int = option(
        None,
        "Consecutive records that are read together and stay near each other in an epoch's order. "
        "Default: 1, a shuffle of single records; of data on gs://, as many as make about 1 MiB.",
        minimum=1,
        on_resume="same",
    )
    shuffle_window: int = option(
        None,
        "Steps whose records are shuffled among themselves, so that chunks are mixed. Default: as "
        "many as take 128 chunks; 1 if `shuffle_chunk` is 1.",
        minimum=1,
        on_resume="same",
    )
    batch_sampling: str = option(
        "natural",
        "What batches are made of: records as a shuffle of all gives them, stratified for the "
        "class proportions of the whole split in each batch, or balanced for all classes equally "
        "often.",
        choices=("natural", *class_sampling.BATCHES),
        on_resume="same",
    )
    rotating_validation: float = option(
        0.0,
        "Hold out this part of what is trained on, another in each epoch, and evaluate on it at "
        "the epoch's end, in place of a split. 0 for none.",
        minimum=0.0,
        maximum=0.5,
        on_resume="same",
        affects=("evaluation",),
        unsupported={
            "parameter_server": "its workers and its evaluator come to the end of an epoch each in "
            "their own time; leave it out"
        },
    )
    seed: int = option(
        0, "Seed of initial weights and of the order of images.", minimum=0, on_resume="same"
    )
    on_bad_record: str = option(
        "stop",
        "What to do with a damaged record: stop and say where it lies, or say so and take the next "
        "good one in its place.",
        choices=("stop", "skip"),
    )
    cache: str = option(
        "auto",
        "Where to keep decoded images, so that they are decoded once, not in every epoch; auto "
        "keeps small datasets in memory. Batches are the same.",
        choices=cache_policy.WHERE,
    )
    cache_dir: str = option(
        "~/.cache/headrace/decoded",
        "A local folder for `cache`=disk; later runs use what is in it, and nothing deletes it.",
        parser=PathParser(),
    )
    augment: str = option(
        "none",
        "What is done to training images, by the name of an experiment; the flags below change it.",
        choices=tuple(PRESETS),
    )

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the model's input."""
        return Preprocessing(_pair(self.image_size), _pair(self.resize_to), self.resize)

    def order(self, records: int) -> Order:
        """Return the order of a training split of so many records."""
        return Order(
            records,
            self.batch_size,
            self.lanes,
            self.seed,
            self.shuffle_chunk,
            self.shuffle_window,
            self.batch_sampling,
            self.held_out(records),
        )

    def held_out(self, records: int) -> int:
        """Return how many of the records of a training split an epoch holds out: one at least, if
        it does."""
        part = self.rotating_validation
        return max(1, round(part * records)) if part else 0


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = size
    return rows, columns


def resolve(data: DataConfig, card: Card) -> DataConfig:
    """Fill in what is left out: sizes of the dataset's images, and what suits the batch.

    Raises:
        UsageError: the sizes make no sense, there is no such order, or the batches of a multi-label
            dataset are to be made up by class.
        UserError: the images differ in size and `image_size` is left out, there is no such split,
            or it is smaller than a batch.
    """
    class_sampling.check(data.batch_sampling, card.multi_label)
    size = data.image_size or uniform_size(card)
    data_dir, lanes = data.data_dir, data.lanes or order.default_lanes(data.batch_size)
    records = splits.train_records(data_dir, card, data.train_split)
    chunk = data.shuffle_chunk or _default_chunk(data_dir, card, records)
    trained = records - data.held_out(records)
    window = data.shuffle_window or order.default_window(trained, data.batch_size, chunk)
    resolved = dataclasses.replace(
        data,
        image_size=size,
        resize_to=data.resize_to or size,
        lanes=lanes,
        shuffle_chunk=chunk,
        shuffle_window=window,
    )
    spec.check(resolved.preprocessing)
    order.check(resolved.order(records))
    return resolved


def _default_chunk(data_dir: str, card: Card, records: int) -> int:
    if not files.is_remote(data_dir):
        return 1
    stored = sum(split.records for split in card.splits.values())
    size = sum(shard.bytes for split in card.splits.values() for shard in split.shards)
    return order.default_chunk(records, size * records // stored)


def uniform_size(card: Card) -> tuple[int, int]:
    """Return rows and columns of the images of a dataset.

    Raises:
        UserError: they differ in size.
    """
    if card.uniform_size is None:
        rows, columns = card.image_size["rows"], card.image_size["columns"]
        raise UserError(
            f"the images of {card.name} differ in size ({rows['min']}-{rows['max']} rows, "
            f"{columns['min']}-{columns['max']} columns); say `image_size`=ROWS,COLUMNS"
        )
    return _pair(tuple(card.uniform_size))
