"""The row of an image at each step of a job: listed, scanned or rejected, planned for a shard.

`ScannedImage` declares the columns of the image table too (`planning.image_table`), and
`ShardRecord` names those of them that the writers need.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator

_SQL_TYPES = {str: "TEXT", int: "INTEGER", bool: "INTEGER", float: "REAL"}
# A grey image counts in all of them where the dataset is RGB.
_CHANNELS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that a source lists.

    Attributes:
        path: of the file, below the source's root (with `/`) or a full one; for an image inside a
            container a name that tells where it lies.
        label: name of its class; a sorted list of names, perhaps empty, in a multi-label source.
        source_split: split that the source gives it; None where it is to be divided.
        group_id: name of its group (a patient, a video); images of a group share a split.
        weight: weight of the image in training.
    """

    path: str
    label: str | list[str]
    source_split: str | None = None
    group_id: str | None = None
    weight: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScannedImage(SourceImage):
    """A usable image: what its source says of it, and what was found by decoding it.

    Attributes:
        file, offset, length: where the bytes of its image file lie.
        digest: SHA-256 of these bytes.
        content_hash: SHA-256 of the pixels as decoded, see `hashing.content_hash`.
        split_rank, order_rank: seeded, see `hashing.rank`.
        source_rows, source_columns: size as decoded, in pixels.
        rows, columns, channels: size as stored; channels 1 for grey or 3.
        verbatim: whether a `keep` record holds the file's own bytes.
        has_profile: whether it has an ICC profile.
        sums, squares: exact sums over the stored pixels, per channel.
        perceptual_hash: see `hashing.perceptual_hash`; 0 where it is not needed.
    """

    file: str
    offset: int
    length: int
    digest: str
    content_hash: str
    split_rank: int
    order_rank: int
    source_rows: int
    source_columns: int
    rows: int
    columns: int
    channels: int
    verbatim: bool
    has_profile: bool
    sums: list[int]
    squares: list[int]
    perceptual_hash: int


@dataclasses.dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that cannot be used: a line of `quarantine.jsonl`."""

    path: str
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True, slots=True)
class ShardRecord:
    """An image of a shard, as the plan lists it: columns of the image table of the same names.

    The label is the index of its class; in a multi-label dataset the indices of its classes.
    """

    path: str
    label: int | list[int]
    weight: float | None
    file: str
    offset: int
    length: int
    digest: str
    rows: int
    columns: int
    verbatim: bool


def table_columns() -> dict[str, str]:
    """Return the columns that the image table has for a `ScannedImage`: name and SQL type.

    A label is an index there (see `planning.label_sets`), and a list of numbers per channel a
    column each: `sums0`, `sums1`.
    """
    columns: dict[str, str] = {}
    for field in dataclasses.fields(ScannedImage):
        if field.type == list[int]:
            columns |= {f"{field.name}{channel}": "INTEGER" for channel in range(_CHANNELS)}
        else:
            columns[field.name] = _sql_type(field.type)
    return columns | {"label": "INTEGER"}


def table_values(image: ScannedImage, label: int) -> Iterator[object]:
    """Yield what the image table holds of an image, in the order of `table_columns`.

    Args:
        image: the image.
        label: index of its label.
    """
    for field in dataclasses.fields(image):
        value = getattr(image, field.name)
        if field.name == "label":
            yield label
        elif isinstance(value, list):
            yield from value * (_CHANNELS // len(value))
        else:
            yield value


def shard_columns() -> str:
    """Return the columns of a `ShardRecord`, as a query selects them."""
    return ", ".join(field.name for field in dataclasses.fields(ShardRecord))


def _sql_type(kind: typing.Any) -> str:
    """Return the SQL type of a field's annotation; None is a value of every SQL type."""
    return _SQL_TYPES[typing.get_args(kind)[0] if isinstance(kind, types.UnionType) else kind]
