"""Second phase: write the shards, straight from the source files.

A task is one shard. The list of its images is a file of the work folder; its result is the shard,
under its final name only once it is whole, and a file with its numbers.
"""

import dataclasses
import functools
import hashlib

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines import engine, examples, images
from beam_pipelines.scan import Row, read_image
from headrace import UserError
from input.dataset_dir import Shard

_COUNT_EVERY = 500


@dataclasses.dataclass(frozen=True)
class Plan:
    """One shard to be written: its file's name and its images in order."""

    file: str
    rows: list[Row]


@dataclasses.dataclass(frozen=True)
class Target:
    """What all shards have in common."""

    root: str
    output_dir: str
    work: str
    encoding: str
    channels: int


def run(
    plans: list[Plan], target: Target, beam_options: PipelineOptions
) -> dict[str, tuple[Shard, list[int]]]:
    """Writes all shards.

    Returns:
        For each file name the shard and the byte offsets of its records.

    Raises:
        UserError: a source file is not what it was when it was scanned.
    """
    for plan in plans:
        rows = [(row.path, row.label, row.key) for row in plan.rows]
        engine.write_file(f"{target.work}/plan-{plan.file}.jsonl", engine.json_lines(rows))
    engine.run_phase(
        "write",
        [plan.file for plan in plans],
        functools.partial(write_shard, target),
        beam_options,
        images=sum(len(plan.rows) for plan in plans),
        images_done=lambda: _images_done(target.work, plans),
    )
    written = {}
    for plan in plans:
        (result,) = engine.read_lines(f"{target.work}/done-{plan.file}.jsonl")
        if "changed" in result:
            raise UserError(
                f"{target.root}/{result['changed']} changed while the dataset was prepared; "
                "start again when nothing writes to the source"
            )
        written[plan.file] = (Shard(**result["shard"]), result["offsets"])
    return written


def write_shard(target: Target, file: str) -> None:
    """Writes one shard and its numbers."""
    path = FileSystems.join(target.output_dir, file)
    temporary = FileSystems.join(target.work, file)
    digest, offsets, size = hashlib.sha256(), [], 0
    with FileSystems.create(temporary, "application/octet-stream") as shard:
        for source, label, key in engine.read_lines(f"{target.work}/plan-{file}.jsonl"):
            record = _record(target, source, label, key)
            if record is None:
                changed = engine.json_lines([{"changed": source}])
                engine.write_file(f"{target.work}/done-{file}.jsonl", changed)
                return
            framed = examples.frame(record)
            shard.write(framed)
            digest.update(framed)
            offsets.append(size)
            size += len(framed)
            if len(offsets) % _COUNT_EVERY == 0:
                _report_progress(target.work, file, len(offsets))
    engine.replace(temporary, path)
    numbers = dataclasses.asdict(Shard(file, len(offsets), size, digest.hexdigest()))
    result = engine.json_lines([{"shard": numbers, "offsets": offsets}])
    engine.write_file(f"{target.work}/done-{file}.jsonl", result)


def _record(target: Target, source: str, label: int, key: str) -> bytes | None:
    """The serialized record of a source file; None if it is not the image that was scanned."""
    try:
        data = read_image(target.root, source)
        image = images.decode(data)
    except images.BadImageError:
        return None
    if image.key() != key:
        return None
    columns, rows = image.pixels.size
    stored = images.encode(data, image, target.encoding, target.channels)
    return examples.serialize(stored, label, (rows, columns, target.channels), source)


def _report_progress(work: str, file: str, records: int) -> None:
    engine.write_file(f"{work}/progress-{file}", str(records).encode())


def _images_done(work: str, plans: list[Plan]) -> int:
    done = set(engine.finished(work, "done-*"))
    counted = 0
    for plan in plans:
        if f"{work}/done-{plan.file}.jsonl" in done:
            counted += len(plan.rows)
            continue
        for path in engine.finished(work, f"progress-{plan.file}"):
            with FileSystems.open(path, "application/octet-stream") as file:
                counted += int(file.read())
    return counted
