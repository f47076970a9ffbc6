"""Last phase: write the shards, straight from the source files.

A task is one shard. What it holds is a file of the work folder; its result is the shard, under its
final name only once it is whole, and a file with its numbers.
"""

import dataclasses
import hashlib
import uuid

from beam_pipelines import examples, files, images, resizing
from beam_pipelines.config import Config
from beam_pipelines.scan import read_image
from input import tfrecord
from input.dataset_dir import Shard

_COUNT_EVERY = 500


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard: its file's name, and what all records of the dataset have in common."""

    file: str
    channels: int
    weighted: bool


def run_task(config: Config, root: str, work: str, task: Task) -> None:
    """Writes one shard and its numbers, or which image is not what it was in the scan."""
    # A worker that was taken for dead may still be at it: each attempt has a file of its own.
    temporary = f"{work}/{task.file}.{uuid.uuid4().hex}"
    result = f"{work}/done-{task.file}.jsonl"
    digest, offsets, labels, size = hashlib.sha256(), [], [], 0
    with files.open_write(temporary) as shard:
        for path, label, *stored in files.read_rows(f"{work}/shard-{task.file}.jsonl"):
            record = _record(config, root, task, path, label, *stored)
            if record is None:
                files.write_rows(result, [{"changed": path}])
                return
            framed = tfrecord.frame(record)
            shard.write(framed)
            digest.update(framed)
            offsets.append(size)
            labels.append(label)
            size += len(framed)
            if len(offsets) % _COUNT_EVERY == 0:
                files.write(f"{work}/progress-{task.file}", str(len(offsets)).encode())
    files.replace(temporary, f"{config.output_dir}/{task.file}")
    numbers = dataclasses.asdict(Shard(task.file, len(offsets), size, digest.hexdigest()))
    files.write_rows(result, [{"shard": numbers, "offsets": offsets, "labels": labels}])


def _record(
    config: Config,
    root: str,
    task: Task,
    path: str,
    label: int,
    weight: float | None,
    file: str,
    offset: int,
    length: int,
    digest: str,
    rows: int,
    columns: int,
    kept: bool,
) -> bytes | None:
    """The serialized record of an image; None if its bytes are not those that were scanned."""
    try:
        data = read_image(root, file, offset, length)
    except images.BadImageError:
        return None
    if hashlib.sha256(data).hexdigest() != digest:
        return None
    if not (kept and config.encoding == "keep"):
        image = images.decode(data, config.max_pixels, config.first_frame)
        resized = resizing.apply(config.resize, image.pixels)
        data = images.encode(data, image, resized, config.encoding, task.channels, config.quality)
    if task.weighted and weight is None:
        weight = 1.0
    return examples.serialize(data, label, (rows, columns, task.channels), path, weight)
