"""First phase: decode every image of the source and write down what it is.

A task is a chunk of the listing, or a part of a container. Its result is a file with a row per
image; the images of a container go into a file beside it, as they can be read one by one only once.
Pixels stay where they were read.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator

from beam_pipelines.config import Config
from beam_pipelines.images import decode, hashing, resize
from beam_pipelines.images.decode import BadImageError
from beam_pipelines.rows import RejectedFile, ScannedImage, SourceImage
from beam_pipelines.sources.source import Container
from headrace import files

UNREADABLE = "unreadable"
# Pixels along a side, of a JPEG that libjpeg writes.
_LONGEST_JPEG = 65_500


@dataclasses.dataclass(frozen=True)
class ScanJob:
    """What all tasks of the scan have in common.

    Attributes:
        config: configuration of the job.
        root: what paths are relative to.
        work: the work folder.
        container: None for a source of files.
    """

    config: Config
    root: str
    work: str
    container: Container | None


def run_task(job: ScanJob, task: tuple[int, object]) -> None:
    """Scan the images of one task and write their rows.

    Args:
        job: what all tasks have in common.
        task: the task's number, and the part of the container (None for listed files).
    """
    number, part = task
    rows: Iterable[ScannedImage | RejectedFile]
    if job.container:
        unpacked = job.container.unpack(part)
        rows = _describe_all(job.config, unpacked, f"{job.work}/spill-{number:09d}")
    else:
        listing = files.read_rows(f"{job.work}/listing-{number:09d}.jsonl")
        rows = (_scan_file(job, SourceImage(**row)) for row in listing)
    files.write_rows(f"{job.work}/scan-{number:09d}.jsonl", rows)


def read_image(root: str, path: str, offset: int = 0, length: int = -1) -> bytes:
    """Return the bytes of an image file of the source.

    Args:
        root: what paths are relative to.
        path: path of the file.
        offset: first byte.
        length: number of bytes; -1 for all that follow.

    Raises:
        BadImageError: it cannot be read.
    """
    try:
        return files.read(files.join(root, path), offset, length)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        detail = getattr(error, "strerror", None) or str(error)
        raise BadImageError(UNREADABLE, detail) from None


def _scan_file(job: ScanJob, listed: SourceImage) -> ScannedImage | RejectedFile:
    try:
        data = read_image(job.root, listed.path)
        return _describe(job.config, listed, data, listed.path, 0)
    except BadImageError as error:
        return RejectedFile(listed.path, error.reason, error.detail)


def _describe_all(
    config: Config, unpacked: Iterable[tuple[SourceImage, bytes | BadImageError]], spill: str
) -> Iterator[ScannedImage | RejectedFile]:
    """Yield the rows of a container's images, and write those that are usable to one file."""
    contents, offset = [], 0
    for listed, data in unpacked:
        try:
            if isinstance(data, BadImageError):
                raise data
            yield _describe(config, listed, data, spill, offset)
        except BadImageError as error:
            yield RejectedFile(listed.path, error.reason, error.detail)
            continue
        contents.append(data)
        offset += len(data)
    files.write_atomic(spill, b"".join(contents))


def _describe(
    config: Config, listed: SourceImage, data: bytes, file: str, offset: int
) -> ScannedImage:
    image = decode.decode(data, config.max_pixels, config.first_frame)
    columns, rows = resize.target_size(config.resize, *image.pixels.size)
    verbatim = image.verbatim and (columns, rows) == image.pixels.size
    _check_target(config, columns, rows, config.encoding == "keep" and image.lossy and not verbatim)
    stored = resize.apply(config.resize, image.pixels)
    content_hash = hashing.content_hash(image.pixels)
    sums, squares = decode.channel_sums(stored)
    return ScannedImage(
        **dataclasses.asdict(listed),
        file=file,
        offset=offset,
        length=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        content_hash=content_hash,
        split_rank=hashing.rank(content_hash, config.seed, "split"),
        order_rank=hashing.rank(content_hash, config.seed, "order"),
        source_rows=image.pixels.height,
        source_columns=image.pixels.width,
        rows=stored.height,
        columns=stored.width,
        channels=len(sums),
        verbatim=verbatim,
        has_profile=image.has_profile,
        sums=sums,
        squares=squares,
        perceptual_hash=(
            0 if config.near_duplicates is None else hashing.perceptual_hash(image.pixels)
        ),
    )


def _check_target(config: Config, columns: int, rows: int, becomes_jpeg: bool) -> None:
    """Refuse an image that would be too large once resized, before it is.

    Raises:
        BadImageError: it would be.
    """
    if columns * rows > config.max_pixels:
        raise BadImageError("too_large", f"{columns} x {rows} pixels once resized")
    if (becomes_jpeg or config.encoding == "jpeg") and max(columns, rows) > _LONGEST_JPEG:
        raise BadImageError("too_large", f"{columns} x {rows} pixels, too long for a JPEG")
