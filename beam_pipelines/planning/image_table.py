"""All images of a job, as a table on disk: what the plan asks is a query, and memory stays small.

The table is SQLite's and called `images`. It has the columns of `rows.ScannedImage` and these:

    id           position in the seeded order of contents: nothing depends on who scanned it first
    split_unit   smallest id of the images that must share its split
    split        split that it comes to (an index)
    dropped      why it is left out; NULL if it is not

`label_classes` has a row for each class that a label stands for, see `label_sets`.
`near_duplicates` is what `duplicates.find_near_duplicates` fills.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from beam_pipelines import rows
from beam_pipelines.planning.label_sets import LabelSets
from beam_pipelines.rows import ScannedImage


@contextlib.contextmanager
def build(
    images: Iterable[ScannedImage], labels: LabelSets, file: str
) -> Iterator[sqlite3.Connection]:
    """Build the table of these images, gone with the `with` block.

    Args:
        images: usable images, in any order.
        labels: labels of the images.
        file: where to keep it, on a local disk.
    """
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -16384")  # KiB
        columns = rows.table_columns()
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        db.execute(f"CREATE TABLE scanned ({declared})")
        marks = ", ".join("?" * len(columns))
        values = (tuple(rows.table_values(image, labels.index(image.label))) for image in images)
        db.execute("BEGIN")
        db.executemany(f"INSERT INTO scanned VALUES ({marks})", values)
        db.execute("COMMIT")
        db.execute(
            f"CREATE TABLE images (id INTEGER PRIMARY KEY, {declared}, split_unit INTEGER, "
            "split INTEGER, dropped TEXT)"
        )
        position = "row_number() OVER (ORDER BY split_rank, content_hash, path, label)"
        db.execute(
            f"INSERT INTO images SELECT position, {', '.join(columns)}, position, NULL, NULL FROM "
            f"(SELECT {position} AS position, * FROM scanned) ORDER BY position"
        )
        db.execute("DROP TABLE scanned")
        db.execute("CREATE INDEX by_content ON images (content_hash)")
        db.execute(
            "CREATE TABLE near_duplicates "
            "(id INTEGER PRIMARY KEY, neighbor_id INTEGER, distance INTEGER)"
        )
        db.execute(
            "CREATE TABLE label_classes (label INTEGER, class INTEGER, PRIMARY KEY (label, class))"
        )
        pairs = ((label, each) for label, of in enumerate(labels.classes_of) for each in of)
        db.executemany("INSERT INTO label_classes VALUES (?, ?)", pairs)
        yield db


def one(db: sqlite3.Connection, query: str, *values) -> Any:
    """Return the only value that a query gives."""
    return db.execute(query, values).fetchone()[0]


def exact_sum(db: sqlite3.Connection, column: str, condition: str) -> int:
    """Return a sum that may be above 64 bits, where SQLite's own would fail.

    Args:
        db: the image table.
        column: SQL expression of the numbers.
        condition: SQL condition that selects the images.
    """
    high, low = db.execute(
        f"SELECT sum({column} >> 32), sum({column} & 0xffffffff) FROM images WHERE {condition}"
    ).fetchone()
    return ((high or 0) << 32) + (low or 0)
