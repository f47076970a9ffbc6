"""All images of a job, as a table on disk: what the plan asks is a query, and memory stays small.

The table is SQLite's and called `images`. An image's `id` is its place in the seeded order of
contents, so nothing depends on which worker found it first. `own` is the split its source gave it,
`unit` the smallest id of those that must share its split, `split` the split it came to (an index),
and `dropped` why it is left out (NULL if it is not). `near` is for what `duplicates.find_near`
finds.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator

from beam_pipelines.pipeline.scan import Row

_COLUMNS = {
    "path": "TEXT",
    "label": "INTEGER",
    "own": "TEXT",
    "team": "TEXT",
    "weight": "REAL",
    "file": "TEXT",
    "offset": "INTEGER",
    "length": "INTEGER",
    "digest": "TEXT",
    "key": "TEXT",
    "split_rank": "INTEGER",
    "order_rank": "INTEGER",
    "source_rows": "INTEGER",
    "source_columns": "INTEGER",
    "rows": "INTEGER",
    "columns": "INTEGER",
    "channels": "INTEGER",
    "kept": "INTEGER",
    "has_profile": "INTEGER",
    **{f"sum{channel}": "INTEGER" for channel in range(3)},
    **{f"square{channel}": "INTEGER" for channel in range(3)},
    "looks": "INTEGER",
}
_FOUND = ", ".join(_COLUMNS)


@contextlib.contextmanager
def build(rows: Iterable[Row], labels: dict[str, int], file: str) -> Iterator[sqlite3.Connection]:
    """A catalog of these images, gone with the `with` block.

    Args:
        rows: of usable images, in any order.
        labels: index of each class.
        file: where to keep it, on a local disk.
    """
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -16384")  # KiB
        declared = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        db.execute(f"CREATE TABLE found ({declared})")
        marks = ", ".join("?" * len(_COLUMNS))
        db.execute("BEGIN")
        db.executemany(
            f"INSERT INTO found VALUES ({marks})", (_values(row, labels) for row in rows)
        )
        db.execute("COMMIT")
        db.execute(
            f"CREATE TABLE images (id INTEGER PRIMARY KEY, {declared}, unit INTEGER, "
            "split INTEGER, dropped TEXT)"
        )
        place = "row_number() OVER (ORDER BY split_rank, key, path, label)"
        db.execute(
            f"INSERT INTO images SELECT place, {_FOUND}, place, NULL, NULL FROM "
            f"(SELECT {place} AS place, * FROM found) ORDER BY place"
        )
        db.execute("DROP TABLE found")
        db.execute("CREATE INDEX by_key ON images (key)")
        db.execute("CREATE TABLE near (id INTEGER PRIMARY KEY, other INTEGER, distance INTEGER)")
        yield db


def one(db: sqlite3.Connection, query: str, *values) -> object:
    """The only value that a query gives."""
    return db.execute(query, values).fetchone()[0]


def exact_sum(db: sqlite3.Connection, column: str, condition: str) -> int:
    """A sum that may be above 64 bits, where SQLite's own would fail."""
    high, low = db.execute(
        f"SELECT sum({column} >> 32), sum({column} & 0xffffffff) FROM images WHERE {condition}"
    ).fetchone()
    return ((high or 0) << 32) + (low or 0)


def _values(row: Row, labels: dict[str, int]) -> tuple:
    sums, squares = (
        values * 3 if len(values) == 1 else values for values in (row.sums, row.squares)
    )
    return (
        row.path,
        labels[row.label],
        row.split,
        row.group,
        row.weight,
        row.file,
        row.offset,
        row.length,
        row.digest,
        row.key,
        row.split_rank,
        row.order_rank,
        row.source_rows,
        row.source_columns,
        row.rows,
        row.columns,
        row.channels,
        row.kept,
        row.has_profile,
        *sums,
        *squares,
        row.looks,
    )
