"""What the report shows of a catalog: the images of it that a page has room for.

Each comes with its `label`, its `path`, and where its bytes lie: `file`, `offset` and `length`.
"""

import itertools
import sqlite3

from beam_pipelines.planning import duplicates

# Of samples, and of rows of a table.
ROOM = 1000
_PER_CLASS, _GROUPS, _GROUP_IMAGES = 10, 60, 12


def samples(db: sqlite3.Connection, names: list[str], classes: int) -> list[dict]:
    """The first training images of each class.

    Args:
        db: the catalog, with splits.
        names: of the splits.
        classes: how many there are.
    """
    training = names.index("train") if "train" in names else 0
    per_class = max(1, min(_PER_CLASS, ROOM // classes))
    rows = db.execute(
        "SELECT label, path, file, offset, length FROM (SELECT *, row_number() OVER "
        "(PARTITION BY label ORDER BY order_rank, id) AS place FROM images "
        "WHERE split = ? AND dropped IS NULL) WHERE place <= ? AND label < ? "
        "ORDER BY label, place",
        (training, per_class, ROOM),
    )
    return [
        dict(zip(("label", "path", "file", "offset", "length"), row, strict=True)) for row in rows
    ]


def groups(db: sqlite3.Connection) -> list[dict]:
    """The first groups of the same pixels, and the first pairs that look the same.

    Returns:
        As `duplicates.groups` and `duplicates.near_pairs` yield them, with the first images of each
        and, as `size`, how many it has.
    """
    found = [
        *itertools.islice(duplicates.groups(db), _GROUPS),
        *itertools.islice(duplicates.near_pairs(db), _GROUPS),
    ]
    return [
        {
            **group,
            "images": [_located(db, image) for image in group["images"][:_GROUP_IMAGES]],
            "size": len(group["images"]),
        }
        for group in found
    ]


def _located(db: sqlite3.Connection, image: dict) -> dict:
    file, offset, length = db.execute(
        "SELECT file, offset, length FROM images WHERE id = ?", (image["id"],)
    ).fetchone()
    return {**image, "file": file, "offset": offset, "length": length}
