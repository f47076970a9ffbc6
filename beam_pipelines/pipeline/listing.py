"""What a source has, listed before any work is done: on local disk, so that nothing is lost yet."""

import contextlib
import dataclasses
import itertools
import os
import tempfile
from collections.abc import Iterator

import orjson

from beam_pipelines.sources.source import Listed, Source
from headrace import files
from headrace.errors import UserError

_CHUNK = 128


@dataclasses.dataclass(frozen=True)
class Inventory:
    """A listed source.

    Attributes:
        source: what was listed.
        images: how many there are.
        classes: names, in the order of their labels.
        own: predefined splits that images are in.
        divisible: images that are in none, or in `train`.
        mean_bytes: size of an image file, from a few of them; 0 where unknown.
        file: the listing, JSON lines of `Listed`; empty for a container.
    """

    source: Source
    images: int
    classes: list[str]
    own: frozenset[str]
    divisible: int
    mean_bytes: float
    file: str


@contextlib.contextmanager
def take(source: Source) -> Iterator[Inventory]:
    """Lists every image of a source, without opening one.

    Raises:
        UserError: the source is not what its kind says, or a file's name is no UTF-8.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "listing.jsonl")
        images, per_split, labels, sizes = 0, {}, set(), []
        with open(file, "wb") as listing:
            for listed in source.list_files():
                listing.write(_line(source, listed))
                images += 1
                if images & (images - 1) == 0:  # every power of two: few, and from all over
                    sizes.append(files.size(files.join(source.root, listed.path)))
                per_split[listed.split] = per_split.get(listed.split, 0) + 1
                labels.add(listed.label)
        classes = source.classes if source.classes is not None else sorted(labels)
        if source.container:
            images, own, divisible = source.images, source.splits, source.images
        else:
            own = frozenset(per_split) - {None}
            divisible = per_split.get(None, 0) + per_split.get("train", 0)
        mean_bytes = sum(sizes) / max(1, len(sizes))
        yield Inventory(source, images, classes, own, divisible, mean_bytes, file)


def tasks(inventory: Inventory) -> list[tuple[int, object]]:
    """The tasks of the scan: a number for each, and the part of the container (None for files)."""
    if inventory.source.container:
        return list(enumerate(inventory.source.container.ranges()))
    return [(number, None) for number in range(-(-inventory.images // _CHUNK))]


def write_listings(inventory: Inventory, work: str) -> None:
    """Writes what each task lists, for a source of files."""
    if inventory.source.container:
        return
    with open(inventory.file, "rb") as listing:
        for number, _ in tasks(inventory):
            chunk = itertools.islice(listing, _CHUNK)
            files.write_atomic(f"{work}/listing-{number:09d}.jsonl", b"".join(chunk))


def _line(source: Source, listed: Listed) -> bytes:
    try:
        row = (listed.path, listed.label, listed.split, listed.group, listed.weight)
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        name = os.fsencode(listed.path)
        raise UserError(
            f"{source.root}: the name of file {name!r} is no UTF-8; rename it"
        ) from None
