"""Last phase: write the shards, straight from the source files.

A task is one shard. What it holds is a file of the work folder; its result is the shard, under its
final name only once it is whole, and a file with its numbers.
"""

import dataclasses
import hashlib
import uuid

from beam_pipelines.config import Config
from beam_pipelines.images import decode, resize
from beam_pipelines.output import tf_example
from beam_pipelines.pipeline.scan import read_image
from headrace import files
from input.dataset import tfrecord
from input.dataset.dataset_dir import Shard

_COUNT_EVERY = 500


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard: its file's name, and what all records of the dataset have in common."""

    file: str
    channels: int
    weighted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Planned:
    """An image of a shard, as the plan lists it: columns of the catalog."""

    path: str
    label: int
    weight: float | None
    file: str
    offset: int
    length: int
    digest: str
    rows: int
    columns: int
    kept: int


def run_task(config: Config, root: str, work: str, task: Task) -> None:
    """Writes one shard and its numbers, or which image is not what it was in the scan."""
    # A worker that was taken for dead may still be at it: each attempt has a file of its own.
    temporary = f"{work}/{task.file}.{uuid.uuid4().hex}"
    result = f"{work}/done-{task.file}.jsonl"
    digest, offsets, labels, size = hashlib.sha256(), [], [], 0
    with files.open_write(temporary) as shard:
        for row in files.read_rows(f"{work}/shard-{task.file}.jsonl"):
            planned = Planned(*row)
            record = _record(config, root, task, planned)
            if record is None:
                files.write_rows(result, [{"changed": planned.path}])
                return
            framed = tfrecord.frame(record)
            shard.write(framed)
            digest.update(framed)
            offsets.append(size)
            labels.append(planned.label)
            size += len(framed)
            if len(offsets) % _COUNT_EVERY == 0:
                files.write_atomic(f"{work}/progress-{task.file}", str(len(offsets)).encode())
    files.replace(temporary, f"{config.output_dir}/{task.file}")
    numbers = dataclasses.asdict(Shard(task.file, len(offsets), size, digest.hexdigest()))
    files.write_rows(result, [{"shard": numbers, "offsets": offsets, "labels": labels}])


def _record(config: Config, root: str, task: Task, planned: Planned) -> bytes | None:
    """The serialized record of an image; None if its bytes are not those that were scanned."""
    try:
        data = read_image(root, planned.file, planned.offset, planned.length)
    except decode.BadImageError:
        return None
    if hashlib.sha256(data).hexdigest() != planned.digest:
        return None
    if not (planned.kept and config.encoding == "keep"):
        image = decode.decode(data, config.max_pixels, config.first_frame)
        resized = resize.apply(config.resize, image.pixels)
        data = decode.encode(data, image, resized, config.encoding, task.channels, config.quality)
    shape = (planned.rows, planned.columns, task.channels)
    weight = 1.0 if task.weighted and planned.weight is None else planned.weight
    return tf_example.serialize(data, planned.label, shape, planned.path, weight)
