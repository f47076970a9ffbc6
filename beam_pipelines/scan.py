"""First phase: decode every image of the source and write down what it is.

A task is a chunk of the listing; its result is a file with a row per image. Pixels stay where they
were read.
"""

import dataclasses
import functools
import json

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines import engine, images
from beam_pipelines.sources import Source

_CHUNK = 128
UNREADABLE = "unreadable"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What the scan found out about one usable image.

    Attributes:
        path, label, split: as listed.
        key: content key, SHA-256 over the pixels.
        rows, columns: size in pixels.
        stored_bytes: size of the source file, an estimate of the record's.
        sums, squares: exact sums over pixels per channel: one when grey, else three.
    """

    path: str
    label: int
    split: str | None
    key: str
    rows: int
    columns: int
    stored_bytes: int
    sums: list[int]
    squares: list[int]

    @property
    def channels(self) -> int:
        """1 for a grey image, 3 for RGB."""
        return len(self.sums)


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A file that cannot be used: a line of `quarantine.jsonl`."""

    path: str
    reason: str
    detail: str


def run(
    source: Source, work: str, beam_options: PipelineOptions
) -> tuple[list[Row], list[Rejected]]:
    """Scans the whole source.

    Args:
        source: what to scan.
        work: the work folder, empty.
        beam_options: from `engine.options`.

    Returns:
        The usable images and the others, each in the order of the listing.
    """
    listing = [dataclasses.astuple(image) for image in source.images]
    tasks = [(start, listing[start : start + _CHUNK]) for start in range(0, len(listing), _CHUNK)]
    engine.run_phase(
        "decode",
        tasks,
        functools.partial(scan_chunk, source.root, work),
        beam_options,
        images=len(listing),
        images_done=lambda: min(len(listing), _CHUNK * len(engine.finished(work, "scan-*.jsonl"))),
    )
    rows, rejected = [], []
    for path in engine.finished(work, "scan-*.jsonl"):
        for fields in engine.read_lines(path):
            if "reason" in fields:
                rejected.append(Rejected(**fields))
            else:
                rows.append(Row(**fields))
    return rows, rejected


def scan_chunk(root: str, work: str, task: tuple[int, list[tuple]]) -> None:
    """Scans the files of one task and writes their rows."""
    start, listed = task
    rows = [dataclasses.asdict(scan_image(root, *image)) for image in listed]
    engine.write_file(f"{work}/scan-{start:09d}.jsonl", engine.json_lines(rows))


def scan_image(root: str, path: str, label: int, split: str | None) -> Row | Rejected:
    """Reads and fully decodes one file."""
    try:
        data = read_image(root, path)
        decoded = images.decode(data)
    except images.BadImageError as error:
        return Rejected(path, error.reason, error.detail)
    sums, squares = decoded.sums()
    columns, rows = decoded.pixels.size
    return Row(path, label, split, decoded.key(), rows, columns, len(data), sums, squares)


def read_image(root: str, path: str) -> bytes:
    """The bytes of a file of the source.

    Raises:
        BadImageError: it cannot be read.
    """
    full = f"{root}/{path}"
    try:
        if "://" not in full:
            with open(full, "rb") as file:
                return file.read()
        with FileSystems.open(full, "application/octet-stream") as file:
            return file.read()
    except OSError as error:
        raise images.BadImageError(UNREADABLE, error.strerror or str(error)) from None


def quarantine_text(rejected: list[Rejected]) -> bytes:
    """The content of `quarantine.jsonl`."""
    rows = [json.dumps(dataclasses.asdict(row), ensure_ascii=False) for row in rejected]
    return "".join(f"{row}\n" for row in rows).encode()
