"""Between the phases: settles duplicates, divides the images, and says what each shard holds.

One task, on one worker, over the rows that the scan wrote; what it finds goes to files of the work
folder: the content of every shard for the writers, and a summary for the card and the report.
"""

import dataclasses
import hashlib
import itertools
import os
import sqlite3
import tempfile
from fractions import Fraction

import orjson

from beam_pipelines.config import Config
from beam_pipelines.pipeline import write
from beam_pipelines.pipeline.scan import Rejected, Row
from beam_pipelines.planning import (
    duplicates,
    image_table,
    sharding,
    split_assignment,
    split_spec,
    statistics,
)
from beam_pipelines.report import samples
from headrace import files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir

SUMMARY, FAILED = "plan.json", "failed.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the task is given.

    Attributes:
        config: of the job.
        root: of the source, for messages.
        work: the work folder.
        classes: names, in the order of their labels.
        own: splits that the source brings.
        images: how many there are in all.
    """

    config: Config
    root: str
    work: str
    classes: list[str]
    own: frozenset[str]
    images: int


def run(plan: Plan) -> list[write.Task]:
    """Plans the shards.

    Returns:
        What writes them; nothing where the job must end because of something that the user can put
        right, which is in the file `FAILED` then.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = _plan(plan, os.path.join(folder, "catalog"))
        except UserError as error:
            failed = {"message": str(error), "usage": isinstance(error, UsageError)}
            files.write_atomic(f"{plan.work}/{FAILED}", orjson.dumps(failed))
            return []
    files.write_atomic(
        f"{plan.work}/{SUMMARY}", orjson.dumps(summary, option=orjson.OPT_NON_STR_KEYS)
    )
    return [
        write.Task(shard, summary["channels"], summary["weighted"])
        for split in summary["splits"].values()
        for shard in split["shards"]
    ]


def _plan(plan: Plan, file: str) -> dict:
    config = plan.config
    scanned = files.matching(plan.work, "scan-*.jsonl")
    rejected = _reject(plan, scanned)
    rows = (Row(**row) for path in scanned for row in files.read_rows(path) if "reason" not in row)
    labels = {name: label for label, name in enumerate(plan.classes)}
    with image_table.build(rows, labels, file) as db:
        _check_complete(plan, image_table.one(db, "SELECT count(*) FROM images") + len(rejected))
        _check_paths(db, plan.root)
        _check_classes(plan, db)
        duplicates.settle(db, config.duplicates, plan.root)
        names, shares = _divide(plan, db)
        if config.near_duplicates is not None:
            _find_near(config, db, names)
        _check_splits(plan, db, names)
        files.write_rows(
            f"{config.output_dir}/{dataset_dir.DUPLICATES}",
            duplicates.lines(db, plan.classes, names),
        )
        return {
            **_counts(db, rejected),
            "fractions": {name: float(share) for name, share in shares.items()},
            "splits": {
                name: {
                    "per_class": statistics.class_counts(db, split, len(plan.classes)),
                    "shards": _write_plans(plan, db, name, split),
                }
                for split, name in enumerate(names)
            },
            **statistics.statistics(db, names),
            "weighted": bool(image_table.one(db, "SELECT count(weight) FROM images")),
            "source_fingerprint": _source_fingerprint(db),
            "rejected": [dataclasses.asdict(row) for row in rejected[: samples.ROOM]],
            "samples": samples.samples(db, names, len(plan.classes)),
            "duplicates": duplicates.counts(db),
            "shown_duplicates": samples.groups(db),
            "near_bits": config.near_duplicates,
        }


def _reject(plan: Plan, scanned: list[str]) -> list[Rejected]:
    """Writes `quarantine.jsonl`, sorted by path.

    Raises:
        UserError: there are more than the job may leave out.
    """
    config = plan.config
    rejected = sorted(
        (Rejected(**row) for path in scanned for row in files.read_rows(path) if "reason" in row),
        key=dataclasses.astuple,
    )
    quarantine = f"{config.output_dir}/{dataset_dir.QUARANTINE}"
    files.write_rows(quarantine, rejected)
    if len(rejected) > config.max_bad_fraction * plan.images or len(rejected) == plan.images:
        first = rejected[0]
        raise UserError(
            f"{len(rejected):,} of {plan.images:,} files are no sound images, first "
            f"{files.join(plan.root, first.path)} ({first.reason}: {first.detail}); all are listed "
            f"in {quarantine}: mend or remove them, or allow more with --max_bad_fraction"
        )
    return rejected


def _check_complete(plan: Plan, scanned: int) -> None:
    """A runner may lose a task and not say so."""
    if scanned != plan.images:
        raise UserError(
            f"{plan.root} has {plan.images:,} images, but {scanned:,} were scanned: the runner "
            "lost some of its tasks; run the job again"
        )


def _check_paths(db: sqlite3.Connection, root: str) -> None:
    twice = db.execute("SELECT path FROM images GROUP BY path HAVING count(*) > 1 LIMIT 1")
    for (path,) in twice:
        raise UserError(f"{root} lists {path} more than once; leave one of its rows")


def _check_classes(plan: Plan, db: sqlite3.Connection) -> None:
    found = {label for (label,) in db.execute("SELECT DISTINCT label FROM images")}
    for label, name in enumerate(plan.classes):
        if label not in found:
            raise UserError(
                f"class {name!r} of {plan.root} has no sound image; mend its files, or take it out "
                f"(what is wrong with them: {plan.config.output_dir}/{dataset_dir.QUARANTINE})"
            )


def _divide(plan: Plan, db: sqlite3.Connection) -> tuple[list[str], dict[str, Fraction]]:
    """Sets the split of every image.

    Returns:
        The names of the splits, in order, and the shares by which images were divided.
    """
    kept = sorted(plan.own - {"train"}, reverse=True)
    divided = f"own IS NULL OR own NOT IN ({', '.join(repr(name) for name in kept)})"
    text = plan.config.splits or ("" if plan.own else split_spec.DEFAULT)
    images = image_table.one(
        db, f"SELECT count(*) FROM images WHERE dropped IS NULL AND ({divided})"
    )
    shares = split_spec.fractions(text, images, set(plan.own)) if text else {}
    names = [*(shares or ["train"]), *kept]
    for split, name in enumerate(names):
        if name in kept:
            db.execute("UPDATE images SET split = ? WHERE own = ?", (split, name))
    split_assignment.join_groups(db)
    split_assignment.assign(db, list(shares.values()) or [Fraction(1)], divided)
    return names, shares


def _find_near(config: Config, db: sqlite3.Connection, names: list[str]) -> None:
    order = sorted(range(len(names)), key=lambda split: (names[split] != "train", split))
    duplicates.find_near(db, config.near_duplicates, order)
    if config.near_duplicates_action == "drop_from_eval":
        db.execute("UPDATE images SET dropped = 'near_duplicate' WHERE id IN (SELECT id FROM near)")


def _check_splits(plan: Plan, db: sqlite3.Connection, names: list[str]) -> None:
    for split, name in enumerate(names):
        if not image_table.one(
            db, "SELECT count(*) FROM images WHERE split = ? AND dropped IS NULL", split
        ):
            raise UserError(
                f"split {name!r} of {plan.root} would have no image; give it a larger share in "
                "--splits, or more images"
            )


def _counts(db: sqlite3.Connection, rejected: list[Rejected]) -> dict:
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


def _write_plans(plan: Plan, db: sqlite3.Connection, name: str, split: int) -> list[str]:
    """Writes what each shard of a split holds, in seeded order; returns the shards' file names."""
    config = plan.config
    stored = {"raw": "rows * columns * channels", "float": "4 * rows * columns * channels"}.get(
        config.encoding, "length * min(1.0, 1.0 * rows * columns / (source_rows * source_columns))"
    )
    records, size = db.execute(
        f"SELECT count(*), sum({stored}) FROM images WHERE split = ? AND dropped IS NULL", (split,)
    ).fetchone()
    bounds = sharding.shard_bounds(records, sharding.shard_count(int(size), config.shard_mb))
    columns = ", ".join(field.name for field in dataclasses.fields(write.Planned))
    rows = db.execute(
        f"SELECT {columns} FROM images WHERE split = ? AND dropped IS NULL ORDER BY order_rank, id",
        (split,),
    )
    shards = []
    for number, (first, last) in enumerate(bounds):
        shard = dataset_dir.shard_file(config.name, name, number, len(bounds))
        files.write_rows(f"{plan.work}/shard-{shard}.jsonl", itertools.islice(rows, last - first))
        shards.append(shard)
    return shards


def _source_fingerprint(db: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for path, key in db.execute("SELECT path, key FROM images ORDER BY path"):
        digest.update(f"{path}:{key}\n".encode())
    return digest.hexdigest()
