"""Between the phases: resolves duplicates, divides the images, and says what each shard holds.

One task, on one worker, over the rows that the scan wrote; its results go to files of the work
folder: the content of every shard for the writers, and a summary for the card and the report.
"""

import dataclasses
import hashlib
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction

import orjson

from beam_pipelines.config import Config
from beam_pipelines.pipeline.write import ShardTask
from beam_pipelines.planning import (
    duplicates,
    image_table,
    label_sets,
    sharding,
    split_assignment,
    split_shares,
    statistics,
)
from beam_pipelines.planning.label_sets import LabelSets
from beam_pipelines.report import samples
from beam_pipelines.rows import RejectedFile, ScannedImage, shard_columns
from headrace import files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir

SUMMARY, FAILED = "plan.json", "failed.json"


@dataclasses.dataclass(frozen=True)
class PlanJob:
    """What the task is about.

    Attributes:
        config: configuration of the job.
        root: root of the source, for messages.
        work: the work folder.
        classes: names, in the order of their labels.
        source_splits: splits that the source brings.
        num_images: number of images of the source.
        multi_label: whether an image of the source may have any number of classes.
    """

    config: Config
    root: str
    work: str
    classes: list[str]
    source_splits: frozenset[str]
    num_images: int
    multi_label: bool = False


def run(job: PlanJob) -> list[ShardTask]:
    """Plan the shards.

    Returns:
        Tasks that write them; none where the job must end because of something that the user can
        put right, which is in the file `FAILED` then.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = _plan(job, os.path.join(folder, "images.sqlite"))
        except UserError as error:
            failure = {"message": str(error), "usage": isinstance(error, UsageError)}
            files.write_atomic(f"{job.work}/{FAILED}", orjson.dumps(failure))
            return []
    files.write_atomic(
        f"{job.work}/{SUMMARY}", orjson.dumps(summary, option=orjson.OPT_NON_STR_KEYS)
    )
    return [
        ShardTask(shard, summary["channels"], summary["weighted"])
        for split in summary["splits"].values()
        for shard in split["shards"]
    ]


def _plan(job: PlanJob, file: str) -> dict:
    """Return the summary of the plan, which is made in a database file."""
    config = job.config
    scans = files.matching(job.work, "scan-*.jsonl")
    rejected = _write_quarantine(job, scans)
    labels = label_sets.single(job.classes)
    if job.multi_label:
        labels = label_sets.collect(job.classes, (row["label"] for row in _scanned(scans)))
    images = (ScannedImage(**row) for row in _scanned(scans))
    with image_table.build(images, labels, file) as db:
        _check_complete(job, image_table.one(db, "SELECT count(*) FROM images") + len(rejected))
        _check_paths(db, job.root)
        _check_classes(job, db)
        duplicates.resolve(db, config.duplicates, job.root)
        splits, shares = _divide(job, db, labels)
        if config.near_duplicates is not None:
            _find_near_duplicates(config, config.near_duplicates, db, splits)
        _check_splits(job, db, splits)
        files.write_rows(
            f"{config.output_dir}/{dataset_dir.DUPLICATES}",
            duplicates.lines(db, labels, splits),
        )
        return {
            **_counts(db, rejected),
            "fractions": {name: float(share) for name, share in shares.items()},
            "splits": {
                name: {
                    "per_class": statistics.class_counts(db, split, len(job.classes)),
                    "records": _records(db, split),
                    "shards": _write_shard_records(job, db, labels, name, split),
                }
                for split, name in enumerate(splits)
            },
            **statistics.statistics(db, splits),
            "weighted": bool(image_table.one(db, "SELECT count(weight) FROM images")),
            "source_fingerprint": _source_fingerprint(db),
            "rejected": [dataclasses.asdict(file) for file in rejected[: samples.MAX_ROWS]],
            "samples": samples.class_samples(db, splits, len(job.classes)),
            "duplicates": duplicates.counts(db),
            "duplicate_samples": samples.duplicate_samples(db),
            "near_bits": config.near_duplicates,
        }


def _scanned(scans: list[str]) -> Iterator[dict]:
    """Yield the rows of usable images."""
    return (row for path in scans for row in files.read_rows(path) if "reason" not in row)


def _write_quarantine(job: PlanJob, scans: list[str]) -> list[RejectedFile]:
    """Write `quarantine.jsonl`, sorted by path; return its rows.

    Raises:
        UserError: there are more than the job may leave out.
    """
    config = job.config
    rejected = sorted(
        (RejectedFile(**row) for path in scans for row in files.read_rows(path) if "reason" in row),
        key=dataclasses.astuple,
    )
    quarantine = f"{config.output_dir}/{dataset_dir.QUARANTINE}"
    files.write_rows(quarantine, rejected)
    # Divided, not multiplied: 29 of 100 are 0.29 to the last bit, but 0.29 * 100 is below 29.
    bad_fraction = len(rejected) / job.num_images
    if bad_fraction > config.max_bad_fraction or bad_fraction == 1:
        first = rejected[0]
        raise UserError(
            f"{len(rejected):,} of {job.num_images:,} files are no sound images, first "
            f"{files.join(job.root, first.path)} ({first.reason}: {first.detail}); all are listed "
            f"in {quarantine}: mend or remove them, or allow more with `max_bad_fraction`"
        )
    return rejected


def _check_complete(job: PlanJob, scanned: int) -> None:
    """Make sure that no task is lost: a runner may lose one and not say so.

    Raises:
        UserError: one is.
    """
    if scanned != job.num_images:
        raise UserError(
            f"{job.root} has {job.num_images:,} images, but {scanned:,} were scanned: the runner "
            "lost some of its tasks; run the job again"
        )


def _check_paths(db: sqlite3.Connection, root: str) -> None:
    repeated = db.execute("SELECT path FROM images GROUP BY path HAVING count(*) > 1 LIMIT 1")
    for (path,) in repeated:
        raise UserError(f"{root} lists {path} more than once; leave one of its rows")


def _check_classes(job: PlanJob, db: sqlite3.Connection) -> None:
    classes = {
        each
        for (each,) in db.execute(
            "SELECT DISTINCT class FROM label_classes JOIN images USING (label)"
        )
    }
    for index, name in enumerate(job.classes):
        if index not in classes:
            raise UserError(
                f"class {name!r} of {job.root} has no sound image; mend its files, or take it out "
                f"(what is wrong with them: {job.config.output_dir}/{dataset_dir.QUARANTINE})"
            )


def _divide(
    job: PlanJob, db: sqlite3.Connection, labels: LabelSets
) -> tuple[list[str], dict[str, Fraction]]:
    """Set the split of every image.

    Returns:
        The names of the splits, in order, and the shares by which images were divided.
    """
    predefined = sorted(job.source_splits - {"train"}, reverse=True)
    quoted = ", ".join(repr(name) for name in predefined)
    divisible = f"source_split IS NULL OR source_split NOT IN ({quoted})"
    spec = job.config.splits or ("" if job.source_splits else split_shares.DEFAULT)
    images = image_table.one(
        db, f"SELECT count(*) FROM images WHERE dropped IS NULL AND ({divisible})"
    )
    shares = split_shares.fractions(spec, images, set(job.source_splits)) if spec else {}
    splits = [*(shares or ["train"]), *predefined]
    for split, name in enumerate(splits):
        if name in predefined:
            db.execute("UPDATE images SET split = ? WHERE source_split = ?", (split, name))
    split_assignment.join_groups(db)
    assign = split_assignment.assign_sets if labels.multi_label else split_assignment.assign
    assign(db, list(shares.values()) or [Fraction(1)], divisible)
    return splits, shares


def _find_near_duplicates(
    config: Config, bits: int, db: sqlite3.Connection, splits: list[str]
) -> None:
    order = sorted(range(len(splits)), key=lambda split: (splits[split] != "train", split))
    duplicates.find_near_duplicates(db, bits, order)
    if config.near_duplicates_action == "drop_from_eval":
        db.execute(
            "UPDATE images SET dropped = 'near_duplicate' "
            "WHERE id IN (SELECT id FROM near_duplicates)"
        )


def _check_splits(job: PlanJob, db: sqlite3.Connection, splits: list[str]) -> None:
    for split, name in enumerate(splits):
        if not _records(db, split):
            raise UserError(
                f"split {name!r} of {job.root} would have no image; give it a larger share in "
                "`splits`, or more images"
            )


def _records(db: sqlite3.Connection, split: int) -> int:
    return image_table.one(
        db, "SELECT count(*) FROM images WHERE split = ? AND dropped IS NULL", split
    )


def _counts(db: sqlite3.Connection, rejected: list[RejectedFile]) -> dict:
    dropped = dict(
        db.execute("SELECT dropped, count(*) FROM images WHERE dropped IS NOT NULL GROUP BY 1")
    )
    return {
        "quarantined": len(rejected),
        "duplicates_dropped": dropped.get("duplicate", 0),
        "near_duplicates_dropped": dropped.get("near_duplicate", 0),
        "with_profile": image_table.one(
            db, "SELECT count(*) FROM images WHERE has_profile AND dropped IS NULL"
        ),
    }


def _write_shard_records(
    job: PlanJob, db: sqlite3.Connection, labels: LabelSets, name: str, split: int
) -> list[str]:
    """Write what each shard of a split holds, in seeded order; return the shards' file names."""
    config = job.config
    stored = {"raw": "rows * columns * channels", "float": "4 * rows * columns * channels"}.get(
        config.encoding, "length * min(1.0, 1.0 * rows * columns / (source_rows * source_columns))"
    )
    records, size = db.execute(
        f"SELECT count(*), sum({stored}) FROM images WHERE split = ? AND dropped IS NULL", (split,)
    ).fetchone()
    bounds = sharding.shard_bounds(records, sharding.shard_count(int(size), config.shard_mb))
    selected = db.execute(
        f"SELECT {shard_columns()} FROM images WHERE split = ? AND dropped IS NULL "
        "ORDER BY order_rank, id",
        (split,),
    )
    rows = _with_stored_labels(selected, labels)
    shards = []
    for number, (first, last) in enumerate(bounds):
        shard = dataset_dir.shard_file(config.name, name, number, len(bounds))
        files.write_rows(f"{job.work}/shard-{shard}.jsonl", itertools.islice(rows, last - first))
        shards.append(shard)
    return shards


def _with_stored_labels(rows: Iterable[tuple], labels: LabelSets) -> Iterator[tuple]:
    """Yield rows of `ShardRecord` with the classes of their labels."""
    for path, label, *rest in rows:
        yield path, labels.stored(label), *rest


def _source_fingerprint(db: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for path, content in db.execute("SELECT path, content_hash FROM images ORDER BY path"):
        digest.update(f"{path}:{content}\n".encode())
    return digest.hexdigest()
