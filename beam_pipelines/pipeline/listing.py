"""What a source has, listed before any work is done: on local disk, so that nothing is lost yet."""

import contextlib
import dataclasses
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator

import orjson

from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UserError

_CHUNK = 128


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images of a source, listed.

    Attributes:
        source: the source.
        num_images: number of its images.
        classes: names, in the order of their labels.
        source_splits: predefined splits that images are in.
        num_divisible: number of images that are in none, or in `train`.
        mean_bytes: size of an image file, from a few of them; 0 where unknown.
        file: JSON lines of `SourceImage`; empty for a container.
        multi_label: whether an image may have any number of classes.
    """

    source: Source
    num_images: int
    classes: list[str]
    source_splits: frozenset[str]
    num_divisible: int
    mean_bytes: float
    file: str
    multi_label: bool


@contextlib.contextmanager
def list_source(source: Source) -> Iterator[Listing]:
    """List every image of a source, without opening one; the list is gone with the `with` block.

    Raises:
        UserError: the source is not what its kind says, a file's name is no UTF-8, or the disk of
            temporary files is full.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            listing = _list(source, os.path.join(folder, "listing.jsonl"))
        except OSError as error:
            raise UserError(
                f"the list of {source.root} cannot be written to a temporary file "
                f"({error.strerror}); make room for it, or set TMPDIR to another folder"
            ) from None
        yield listing


def _list(source: Source, file: str) -> Listing:
    per_split: Counter[str | None] = Counter()
    classes, sizes, multi_label = set(), [], source.multi_label
    with open(file, "wb") as lines:
        for number, image in enumerate(source.list_files(), 1):
            lines.write(_line(source, image))
            if number & (number - 1) == 0:  # every power of two: few, and from all over
                sizes.append(files.size(files.join(source.root, image.path)))
            per_split[image.source_split] += 1
            multi_label = isinstance(image.label, list)
            classes.update(image.label if isinstance(image.label, list) else [image.label])
    contained = source.num_images  # none where there are files
    return Listing(
        source,
        contained or per_split.total(),
        source.classes if source.classes is not None else sorted(classes),
        source.splits or frozenset(split for split in per_split if split),
        num_divisible=contained or per_split[None] + per_split["train"],
        mean_bytes=sum(sizes) / max(1, len(sizes)),
        file=file,
        multi_label=multi_label,
    )


def tasks(listing: Listing) -> list[tuple[int, object]]:
    """Return the scan's tasks: a number each, and the part of the container (None for files)."""
    if listing.source.container:
        return list(enumerate(listing.source.container.ranges()))
    return [(number, None) for number in range(-(-listing.num_images // _CHUNK))]


def write_listings(listing: Listing, work: str) -> None:
    """Write what each task lists, for a source of files, to the work folder."""
    if listing.source.container:
        return
    with open(listing.file, "rb") as lines:
        for number, _ in tasks(listing):
            chunk = itertools.islice(lines, _CHUNK)
            files.write_atomic(f"{work}/listing-{number:09d}.jsonl", b"".join(chunk))


def _line(source: Source, image: SourceImage) -> bytes:
    try:
        return orjson.dumps(image, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        name = os.fsencode(image.path)
        raise UserError(
            f"{source.root}: the name of file {name!r} is no UTF-8; rename it"
        ) from None
