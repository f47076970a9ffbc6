"""Last phase: write the shards, straight from the source files.

A task is one shard. What it holds is a file of the work folder; its result is the shard, under its
final name only once it is complete, and a file with its numbers.
"""

import dataclasses
import hashlib
import uuid

from beam_pipelines.config import Config
from beam_pipelines.images import decode, resize
from beam_pipelines.output import tf_example
from beam_pipelines.pipeline.scan import read_image
from beam_pipelines.rows import ShardRecord
from headrace import files
from input.dataset import tfrecord
from input.dataset.dataset_dir import Shard

_COUNT_EVERY = 500


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One shard: its file's name, and what all records of the dataset have in common."""

    file: str
    channels: int
    weighted: bool


def run_task(config: Config, root: str, work: str, task: ShardTask) -> None:
    """Write one shard and its numbers, or which image is not what it was in the scan."""
    # A worker that was taken for dead may still be at it: each attempt has a file of its own.
    temporary = f"{work}/{task.file}.{uuid.uuid4().hex}"
    result = f"{work}/done-{task.file}.jsonl"
    digest, offsets, labels, size = hashlib.sha256(), [], [], 0
    with files.open_write(temporary) as shard:
        for row in files.read_rows(f"{work}/shard-{task.file}.jsonl"):
            record = ShardRecord(*row)
            example = _example(config, root, task, record)
            if example is None:
                files.write_rows(result, [{"changed": record.path}])
                return
            framed = tfrecord.frame(example)
            shard.write(framed)
            digest.update(framed)
            offsets.append(size)
            labels.append(record.label)
            size += len(framed)
            if len(offsets) % _COUNT_EVERY == 0:
                files.write_atomic(f"{work}/progress-{task.file}", str(len(offsets)).encode())
    files.replace(temporary, f"{config.output_dir}/{task.file}")
    numbers = dataclasses.asdict(Shard(task.file, len(offsets), size, digest.hexdigest()))
    files.write_rows(result, [{"shard": numbers, "offsets": offsets, "labels": labels}])


def _example(config: Config, root: str, task: ShardTask, record: ShardRecord) -> bytes | None:
    """Return the serialized example of an image; None if its bytes are not those of the scan."""
    try:
        data = read_image(root, record.file, record.offset, record.length)
    except decode.BadImageError:
        return None
    if hashlib.sha256(data).hexdigest() != record.digest:
        return None
    if not (record.verbatim and config.encoding == "keep"):
        image = decode.decode(data, config.max_pixels, config.first_frame)
        resized = resize.apply(config.resize, image.pixels)
        data = decode.encode(data, image, resized, config.encoding, task.channels, config.quality)
    shape = (record.rows, record.columns, task.channels)
    weight = 1.0 if task.weighted and record.weight is None else record.weight
    return tf_example.serialize(data, record.label, shape, record.path, weight)
