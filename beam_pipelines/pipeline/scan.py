"""First phase: decode every image of the source and write down what it is.

A task is a chunk of the listing, or a part of a container. Its result is a file with a row per
image; the images of a container go into a file beside it, as they can be read one by one only once.
Pixels stay where they were read.
"""

import dataclasses
import hashlib
from collections.abc import Iterator

from beam_pipelines.config import Config
from beam_pipelines.images import decode, hashing, resize
from beam_pipelines.sources.source import Container, Listed
from headrace import files, stdio

UNREADABLE = "unreadable"
# Pixels along a side, of a JPEG that libjpeg writes.
_LONGEST_JPEG = 65_500


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What the scan found out about one usable image.

    Attributes:
        path, label, split, group, weight: as listed.
        file, offset, length: where the bytes of its image file lie.
        digest: SHA-256 of these bytes.
        key: content key of the pixels as decoded.
        split_rank, order_rank: seeded, see `hashing.rank`.
        source_rows, source_columns: size as decoded, in pixels.
        rows, columns, channels: size as stored; channels 1 for grey or 3.
        kept: whether a `keep` record holds the file's own bytes.
        has_profile: whether it has an ICC profile.
        sums, squares: exact sums over the stored pixels, per channel.
        looks: perceptual hash, 0 if not asked for.
    """

    path: str
    label: str
    split: str | None
    group: str | None
    weight: float | None
    file: str
    offset: int
    length: int
    digest: str
    key: str
    split_rank: int
    order_rank: int
    source_rows: int
    source_columns: int
    rows: int
    columns: int
    channels: int
    kept: bool
    has_profile: bool
    sums: list[int]
    squares: list[int]
    looks: int


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A file that cannot be used: a line of `quarantine.jsonl`."""

    path: str
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Scan:
    """What all tasks of the scan have in common.

    Attributes:
        config: of the job.
        root: what paths are relative to.
        work: the work folder.
        container: None for a source of files.
    """

    config: Config
    root: str
    work: str
    container: Container | None


def run_task(scan: Scan, task: tuple[int, object]) -> None:
    """Scans the images of one task and writes their rows.

    Args:
        scan: what to do.
        task: a number of its own, and the part of the container (None for listed files).
    """
    number, part = task
    if scan.container:
        rows = _unpack(scan, f"{scan.work}/spill-{number:09d}", part)
    else:
        listed = files.read_rows(f"{scan.work}/listing-{number:09d}.jsonl")
        rows = (_scan_file(scan, Listed(*fields)) for fields in listed)
    files.write_rows(f"{scan.work}/scan-{number:09d}.jsonl", rows)


def read_image(root: str, path: str, offset: int = 0, length: int = -1) -> bytes:
    """The bytes of an image file of the source.

    Raises:
        BadImageError: it cannot be read.
    """
    try:
        return files.read(files.join(root, path), offset, length)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        detail = getattr(error, "strerror", None) or str(error)
        raise decode.BadImageError(UNREADABLE, detail) from None


def _scan_file(scan: Scan, listed: Listed) -> Row | Rejected:
    try:
        data = read_image(scan.root, listed.path)
        return _describe(scan.config, listed, data, listed.path, 0)
    except decode.BadImageError as error:
        return Rejected(listed.path, error.reason, error.detail)


def _unpack(scan: Scan, spill: str, part: object) -> Iterator[Row | Rejected]:
    contents, offset = [], 0
    for listed, data in scan.container.unpack(part):
        try:
            if isinstance(data, decode.BadImageError):
                raise data
            yield _describe(scan.config, listed, data, spill, offset)
        except decode.BadImageError as error:
            yield Rejected(listed.path, error.reason, error.detail)
            continue
        contents.append(data)
        offset += len(data)
    files.write_atomic(spill, b"".join(contents))


def _describe(config: Config, listed: Listed, data: bytes, file: str, offset: int) -> Row:
    image = decode.decode(data, config.max_pixels, config.first_frame)
    for message in image.messages:  # on this machine `stdio.filter_stderr` counts them
        stdio.write_error(f"damaged image: {listed.path}: {message}")
    columns, rows = resize.target(config.resize, *image.pixels.size)
    if columns * rows > config.max_pixels:
        raise decode.BadImageError("too_large", f"{columns} x {rows} pixels once resized")
    kept = image.as_it_is and (columns, rows) == image.pixels.size
    lossy = config.encoding == "keep" and image.lossy and not kept
    if (lossy or config.encoding == "jpeg") and max(columns, rows) > _LONGEST_JPEG:
        raise decode.BadImageError("too_large", f"{columns} x {rows} pixels, too long for a JPEG")
    resized = resize.apply(config.resize, image.pixels)
    key = hashing.content_key(image.pixels)
    totals, squares = decode.sums(resized)
    return Row(
        path=listed.path,
        label=listed.label,
        split=listed.split,
        group=listed.group,
        weight=listed.weight,
        file=file,
        offset=offset,
        length=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        key=key,
        split_rank=hashing.rank(key, config.seed, "split"),
        order_rank=hashing.rank(key, config.seed, "order"),
        source_rows=image.pixels.height,
        source_columns=image.pixels.width,
        rows=resized.height,
        columns=resized.width,
        channels=len(totals),
        kept=kept,
        has_profile=image.has_profile,
        sums=totals,
        squares=squares,
        looks=0 if config.near_duplicates is None else hashing.perceptual_hash(image.pixels),
    )
