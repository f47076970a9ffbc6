"""The dataset directory: its files, its records and its card.

With `record_files`, and `files`, which opens them, this is the whole of what `beam_pipelines`
(which writes it) and `input` (which reads it) share.

    NAME-SPLIT.tfrecord-00000-of-00008   tf.train.Example records, see `RECORD_KEYS`
    NAME-SPLIT.index                     the byte offset of every record, see `record_files`
    NAME-SPLIT.labels                    the label of every record, see there
    dataset_info.json features.json label.labels.txt     TensorFlow Datasets' own metadata
    card.json                            written last: without it the directory is unfinished
    quarantine.jsonl                     one line per image left out: path, reason, detail
    duplicates.jsonl                     one line per group of images that are, or look, the same
    report.html                          what a person looks at

    card = dataset_dir.read_card("/data/flowers")
    card.classes, card.splits["train"].records

No TensorFlow is imported here. Every path may be local or `gs://`, see `files`.
"""

import dataclasses
import hashlib
import json
import os
from typing import Any

from headrace import files
from headrace.errors import UserError

CARD_FORMAT = 4
_READABLE = (3, 4)  # cards of format 3 are all of one label an image
CARD = "card.json"
QUARANTINE = "quarantine.jsonl"
DUPLICATES = "duplicates.jsonl"
REPORT = "report.html"

# Keys of a record: image (bytes), label (int64; in a multi-label dataset the indices of all its
# classes, ascending, none or more), shape (int64[3]: rows, columns, channels), file_name (bytes,
# the path below the source); named as TFDS names them. Where the source gave weights there is a
# fifth, weight (float32).
RECORD_KEYS = ("image", "label", "shape", "file_name")

# How `image` is stored. `keep`: the source file's own bytes where the input pipeline decodes them
# as they are; `raw`: uint8 pixels; `float`: little-endian float32 pixels in [0, 1].
ENCODINGS = ("keep", "jpeg", "png", "raw", "float")

# The remedy of what was damaged on its way.
AGAIN = "copy it again or prepare the dataset again"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name below the directory, number of records, size and SHA-256."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """A split: images per class, in the order of `Card.classes`, and its shards in order.

    In a multi-label dataset an image counts in each of its classes, or in none.
    """

    per_class: list[int]
    shards: list[Shard]

    @property
    def records(self) -> int:
        """Records in the split."""
        return sum(shard.records for shard in self.shards)


@dataclasses.dataclass(frozen=True)
class Card:
    """What a reader must know about a dataset, and where it came from.

    Attributes:
        name: of the dataset; the first part of every shard's file name.
        classes: class names; a label is an index into them.
        encoding: one of `ENCODINGS`.
        channels: 1 when every image is grey, else 3 (RGB).
        mean, std: per channel, of the training split's pixels, 0-255; of all where there are only
            folds.
        image_size: `{"rows": {"min", "p5", "p50", "p95", "max"}, "columns": {…}}` over all splits.
        splits: by name, in the order they were asked for.
        split_fractions: by which images were divided; empty when the source came already split.
        seed: of the split and the order of records.
        weighted: whether records have a weight.
        source: `spec`, `fingerprint` (SHA-256 over sorted paths and content keys), and how many
            `images` there were, were `quarantined`, were left out as `duplicates_dropped` or
            `near_duplicates_dropped`, and have a colour profile that was not applied
            (`with_profile`); so images = records + quarantined + both kinds dropped.
        duplicates: of images with the same pixels, the number of `groups`, of those with more than
            one label (`conflicts`) and in more than one split (`leaks`); `near`, how many images
            look like one of another split, if that was asked for.
        fingerprint: SHA-256 over the shards' SHA-256, in order of split and shard.
        command: the full command line that wrote it.
        headrace: the version that wrote it.
        multi_label: whether a record has any number of classes, or exactly one.
    """

    name: str
    classes: list[str]
    encoding: str
    channels: int
    mean: list[float]
    std: list[float]
    image_size: dict[str, dict[str, int]]
    splits: dict[str, Split]
    split_fractions: dict[str, float]
    seed: int
    weighted: bool
    source: dict[str, Any]
    duplicates: dict[str, int]
    fingerprint: str
    command: list[str]
    headrace: str
    multi_label: bool = False
    format: int = CARD_FORMAT

    @property
    def uniform_size(self) -> tuple[int, int] | None:
        """(rows, columns) when all images have the same size, else None."""
        rows, columns = self.image_size["rows"], self.image_size["columns"]
        if rows["min"] == rows["max"] and columns["min"] == columns["max"]:
            return rows["min"], columns["min"]
        return None

    @property
    def bare(self) -> bool:
        """Whether records hold bare pixels, which need no decoder."""
        return self.encoding in ("raw", "float")

    def to_json(self) -> str:
        """Return the content of `card.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        fields["splits"] = {
            name: Split(split["per_class"], [Shard(**shard) for shard in split["shards"]])
            for name, split in fields["splits"].items()
        }
        return cls(**fields)


def shard_file(name: str, split: str, shard: int, shards: int) -> str:
    """Return `digits-train.tfrecord-00000-of-00008`, as TensorFlow Datasets names it."""
    return f"{name}-{split}.tfrecord-{shard:05d}-of-{shards:05d}"


def fingerprint(splits: dict[str, Split]) -> str:
    """Return the dataset's fingerprint: SHA-256 over split names and shard hashes, in order."""
    digest = hashlib.sha256()
    for name, split in splits.items():
        digest.update(f"{name}\n".encode())
        for shard in split.shards:
            digest.update(f"{shard.sha256}\n".encode())
    return digest.hexdigest()


def read_card(data_dir: str) -> Card:
    """Read and check `data_dir/card.json`.

    Raises:
        UserError: there is no such directory, it is unfinished (no card), the card is of another
            format or damaged, or a shard is missing or has another size than the card says.
    """
    try:
        content = files.read(os.path.join(data_dir, CARD))
    except FileNotFoundError:
        raise UserError(
            f"{data_dir} is no finished dataset directory: it has no {CARD}; "
            "run `python -m beam_pipelines.prepare` again, or check the path"
        ) from None
    except OSError as error:
        raise UserError(f"{data_dir}/{CARD} cannot be read: {error}") from None
    try:
        text = content.decode()
        found = json.loads(text).get("format")
        if found not in _READABLE:
            raise UserError(
                f"{data_dir}/{CARD} is of format {found}, this Headrace reads formats "
                f"{' and '.join(map(str, _READABLE))}; prepare the dataset again"
            )
        card = Card.from_json(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{data_dir}/{CARD} is damaged ({error}); prepare it again") from None
    _check_shards(data_dir, card)
    return card


def shard_paths(data_dir: str, card: Card, split: str) -> list[str]:
    """Return the full paths of a split's shards, in order.

    Raises:
        UserError: the dataset has no such split.
    """
    if split not in card.splits:
        raise UserError(
            f"{data_dir} has no split {split!r}; it has {', '.join(map(repr, card.splits))}"
        )
    return [os.path.join(data_dir, shard.file) for shard in card.splits[split].shards]


def _check_shards(data_dir: str, card: Card) -> None:
    """Make sure that no shard is cut short: its size shows that before a step is trained."""
    sizes = files.sizes(data_dir)
    for split in card.splits.values():
        for shard in split.shards:
            path = os.path.join(data_dir, shard.file)
            if shard.file not in sizes:
                raise UserError(f"{path} is missing; {AGAIN}")
            if sizes[shard.file] != shard.bytes:
                raise UserError(
                    f"{path} has {sizes[shard.file]} bytes, the card says {shard.bytes}: it is "
                    f"damaged or was copied in part; {AGAIN}"
                )
