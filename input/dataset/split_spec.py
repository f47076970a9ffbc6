"""Which records a name means: a split's, or slices as TensorFlow Datasets writes them.

    parse(data_dir, card, "train")                # [Slice("train", 0, 1000)]
    parse(data_dir, card, "train[:10%]+test")     # [Slice("train", 0, 100), Slice("test", 0, 90)]

A split's records were shuffled when it was prepared, so a slice is a sample of it.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir
from input.dataset.dataset_dir import Card


@dataclasses.dataclass(frozen=True)
class Slice:
    """Records of a split, by their numbers in stored order: `start`, and on to before `stop`."""

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"{self.split}[{self.start}:{self.stop}]"


def parse(data_dir: str, card: Card, text: str) -> list[Slice]:
    """Return what a name stands for, in the order in which it names it.

    Args:
        data_dir: the dataset directory.
        card: of the dataset.
        text: the name of a split, or slices such as `train[:90%]`, `train[1000:]`,
            `train[:10%]+test` and `fold_0+fold_1`; `all` for all splits.

    Raises:
        UsageError: it is no such name.
        UserError: there is no such split, a slice reaches beyond it or has no records, or records
            are named twice.
    """
    if text in card.splits:
        return [Slice(text, 0, card.splits[text].records)]
    if text.isidentifier() and text != "all":
        dataset_dir.shard_paths(data_dir, card, text)  # says that there is no such split
    slices = _by_tfds(data_dir, card, text)
    for each in slices:
        if len(each) <= 0:
            raise UserError(f"{text!r} of {data_dir}: {each} has no records; name a larger part")
    twice = sum(shared([one], [other]) for one, other in itertools.combinations(slices, 2))
    if twice:
        raise UserError(f"{text!r} of {data_dir} names {twice:,} records twice; name each once")
    return slices


def records(slices: Sequence[Slice]) -> int:
    """Return how many records there are in all."""
    return sum(map(len, slices))


def shared(some: Sequence[Slice], others: Sequence[Slice]) -> int:
    """Return how many records two lists of slices have in common."""
    return sum(
        max(0, min(one.stop, other.stop) - max(one.start, other.start))
        for one, other in itertools.product(some, others)
        if one.split == other.split
    )


def _by_tfds(data_dir: str, card: Card, text: str) -> list[Slice]:
    import tensorflow_datasets as tfds  # slow to import, and most names are plain

    lengths = {
        name: tfds.core.SplitInfo(
            name=name, shard_lengths=[shard.records for shard in split.shards], num_bytes=0
        )
        for name, split in card.splits.items()
    }
    try:
        asked = tfds.core.ReadInstruction.from_spec(text)
    except (ValueError, NotImplementedError):  # the latter for a slice of `all`
        raise UsageError(
            f"{text!r} names no part of a dataset: expected 'train', or slices such as "
            "'train[:90%]', 'train[1000:]' or 'train[:10%]+test'"
        ) from None
    for part in text.split("+"):
        name = part.partition("[")[0].strip()
        if name != "all":
            dataset_dir.shard_paths(data_dir, card, name)
    try:
        found = asked.to_absolute(lengths)
    except ValueError as error:
        said = str(error).rstrip(".").replace("Requested", "requested")
        raise UserError(f"{text!r} does not fit {data_dir}: {said}") from None
    return [
        Slice(
            each.splitname,
            each.from_ or 0,
            card.splits[each.splitname].records if each.to is None else each.to,
        )
        for each in found
    ]
