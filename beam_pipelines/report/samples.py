"""Samples of the image table for the report: as many images as a page has room for.

Each comes with its `path`, its `class` or all its `classes`, as indices, and where its bytes lie:
`file`, `offset` and `length`.
"""

import itertools
import sqlite3

from beam_pipelines.planning import duplicates

# Samples, and rows of a table.
MAX_ROWS = 1000
_PER_CLASS, _GROUPS, _GROUP_IMAGES = 10, 60, 12
_COLUMNS = ("class", "path", "file", "offset", "length")


def class_samples(db: sqlite3.Connection, splits: list[str], classes: int) -> list[dict]:
    """Return the first training images of each class; one of several classes is in each of them.

    Args:
        db: the image table, with splits.
        splits: names, in the order of their indices.
        classes: number of classes.
    """
    training = splits.index("train") if "train" in splits else 0
    per_class = max(1, min(_PER_CLASS, MAX_ROWS // classes))
    columns = ", ".join(_COLUMNS)
    rows = db.execute(
        f"SELECT {columns} FROM (SELECT *, row_number() OVER "
        "(PARTITION BY class ORDER BY order_rank, id) AS nth FROM images "
        "JOIN label_classes USING (label) WHERE split = ? AND dropped IS NULL) "
        "WHERE nth <= ? AND class < ? ORDER BY class, nth",
        (training, per_class, MAX_ROWS),
    )
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def duplicate_samples(db: sqlite3.Connection) -> list[dict]:
    """Return the first groups of the same pixels, and the first pairs that look the same.

    Returns:
        As `duplicates.groups` and `duplicates.near_duplicate_pairs` yield them, with the first
        images of each and, as `size` and `labels`, how many images and labels it has in all.
    """
    groups = [
        *itertools.islice(duplicates.groups(db), _GROUPS),
        *itertools.islice(duplicates.near_duplicate_pairs(db), _GROUPS),
    ]
    return [
        {
            **group,
            "images": [_located(db, image) for image in group["images"][:_GROUP_IMAGES]],
            "size": len(group["images"]),
            "labels": len({image["label"] for image in group["images"]}),
        }
        for group in groups
    ]


def _located(db: sqlite3.Connection, image: dict) -> dict:
    """Return an image with its classes and the place of its bytes."""
    file, offset, length = db.execute(
        "SELECT file, offset, length FROM images WHERE id = ?", (image["id"],)
    ).fetchone()
    found = db.execute(
        "SELECT class FROM label_classes WHERE label = ? ORDER BY 1", (image["label"],)
    )
    classes = [each for (each,) in found]
    return {**image, "classes": classes, "file": file, "offset": offset, "length": length}
