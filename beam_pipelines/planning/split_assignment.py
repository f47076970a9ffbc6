"""Gives every image of a table its split: stratified, groups and duplicates kept together.

All choices follow the seeded order of contents, so that listing, runner and workers change nothing.
"""

import hashlib
import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from beam_pipelines.planning import multilabel_split
from beam_pipelines.planning.controlled_rounding import round_quotas


def join_groups(db: sqlite3.Connection) -> None:
    """Give images that share a group, or a unit with one of a group, the same unit.

    The smallest unit spreads from neighbour to neighbour until nothing changes.
    """
    if not db.execute(
        "SELECT 1 FROM images WHERE group_id IS NOT NULL AND dropped IS NULL LIMIT 1"
    ).fetchone():
        return
    db.execute("CREATE INDEX by_group ON images (group_id)")
    db.execute("ALTER TABLE images ADD COLUMN duplicate_id INTEGER")
    db.execute("UPDATE images SET duplicate_id = split_unit")
    db.execute("CREATE INDEX by_duplicate ON images (duplicate_id)")
    changed = True
    while changed:
        changed = False
        for link in ("group_id", "duplicate_id"):
            changed |= (
                db.execute(
                    f"UPDATE images SET split_unit = smallest FROM (SELECT {link} AS link, "
                    f"min(split_unit) AS smallest, max(split_unit) AS largest FROM images "
                    f"WHERE {link} IS NOT NULL GROUP BY {link} "
                    f"HAVING smallest < largest) WHERE images.{link} = link "
                    "AND split_unit > smallest"
                ).rowcount
                > 0
            )


def assign(db: sqlite3.Connection, shares: list[Fraction], divisible: str) -> None:
    """Divide images among the splits 0, 1, …

    Per class and split the count is the exact quota to within one image, and the totals are exact,
    as far as units of several images can be cut that way: these go first, the largest ones before
    the others, each to a split drawn by the room that is left for its classes; single images then
    fill every split to its quota.

    Args:
        db: the image table, with units.
        shares: share of each split; they sum to 1.
        divisible: SQL condition that selects the images.
    """
    condition = f"({divisible}) AND dropped IS NULL"
    counts = dict(
        db.execute(f"SELECT label, count(*) FROM images WHERE {condition} GROUP BY label")
    )
    labels = sorted(counts)
    table = round_quotas([counts[label] for label in labels], shares)
    remaining = dict(zip(labels, table, strict=True))
    db.execute("CREATE INDEX by_unit ON images (split_unit)")
    units = db.execute(
        f"SELECT split_unit, count(*) AS size FROM images WHERE {condition} GROUP BY split_unit "
        "HAVING size > 1 ORDER BY size DESC, split_unit"
    ).fetchall()
    for unit, _ in units:
        per_class = Counter(
            label
            for (label,) in db.execute(
                f"SELECT label FROM images WHERE split_unit = ? AND {condition}", (unit,)
            )
        )
        (rank,) = db.execute("SELECT split_rank FROM images WHERE id = ?", (unit,)).fetchone()
        split = _draw_split(per_class, remaining, rank)
        for label, images in per_class.items():
            remaining[label][split] -= images
        db.execute(
            f"UPDATE images SET split = ? WHERE split_unit = ? AND {condition}", (split, unit)
        )
    _assign_single_images(
        db, {label: _without_overflow(row) for label, row in remaining.items()}, condition
    )


def assign_sets(db: sqlite3.Connection, shares: list[Fraction], divisible: str) -> None:
    """Divide the images of a multi-label dataset, see `multilabel_split`; arguments as `assign`."""
    condition = f"({divisible}) AND dropped IS NULL"
    classes: dict[int, tuple[int, ...]] = {}
    for label, index in db.execute("SELECT label, class FROM label_classes ORDER BY label, class"):
        classes[label] = (*classes.get(label, ()), index)
    images = db.execute(
        f"SELECT split_unit, label FROM images WHERE {condition} ORDER BY split_unit, label"
    )
    ids, units = [], []
    for unit, members in itertools.groupby(images, key=lambda row: row[0]):
        ids.append(unit)
        units.append(Counter(classes.get(label, ()) for _, label in members))
    splits = multilabel_split.divide(units, shares)
    db.execute("CREATE INDEX by_unit ON images (split_unit)")
    db.executemany(
        f"UPDATE images SET split = ? WHERE split_unit = ? AND {condition}",
        zip(splits, ids, strict=True),
    )


def _draw_split(per_class: Counter[int], remaining: dict[int, list[int]], rank: int) -> int:
    """Draw a split with room for the whole unit; else return the one that overflows least.

    Args:
        per_class: images of the unit, by label.
        remaining: images that each split still lacks, by label.
        rank: seeded number of the unit.
    """
    splits = range(len(next(iter(remaining.values()))))
    fits = [all(remaining[label][s] >= n for label, n in per_class.items()) for s in splits]
    room = [sum(remaining[label][s] for label in per_class) for s in splits]
    weights = [room[s] if fits[s] else 0 for s in splits]
    if not any(weights):
        excess = [
            sum(max(0, n - remaining[label][s]) for label, n in per_class.items()) for s in splits
        ]
        return min(splits, key=lambda s: (excess[s], -room[s], s))
    # The unit's own hash, not its position in the order, is what chance is made of.
    digest = hashlib.blake2b(rank.to_bytes(8, "big", signed=True), digest_size=8).digest()
    point = int.from_bytes(digest, "big") % sum(weights)
    for split in splits:
        if point < weights[split]:
            return split
        point -= weights[split]
    raise AssertionError("a point beyond the sum of the weights")


def _without_overflow(row: list[int]) -> list[int]:
    """Return the room that single images can fill: the roomiest give up what a split overflows."""
    row = list(row)
    while min(row) < 0:
        row[row.index(max(row))] -= 1
        row[row.index(min(row))] += 1
    return row


def _assign_single_images(
    db: sqlite3.Connection, remaining: dict[int, list[int]], condition: str
) -> None:
    """Give single images, in seeded order, to the splits of their class until these are full."""
    db.execute(
        "CREATE TEMP TABLE bounds (label INTEGER, split INTEGER, first INTEGER, last INTEGER)"
    )
    db.executemany("INSERT INTO bounds VALUES (?, ?, ?, ?)", _bounds(remaining))
    # Without it, whether a class's bounds are looked up or searched for is SQLite's guess.
    db.execute("CREATE INDEX temp.bounds_by_label ON bounds (label)")
    db.execute(
        "UPDATE images SET split = chosen FROM (SELECT id AS single, bounds.split AS chosen FROM "
        "(SELECT id, label, row_number() OVER (PARTITION BY label ORDER BY id) AS nth "
        f"FROM images WHERE split IS NULL AND {condition}) AS singles "
        "JOIN bounds ON bounds.label = singles.label AND nth > first AND nth <= last) "
        "WHERE id = single"
    )


def _bounds(remaining: dict[int, list[int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield label, split, and which of the class's single images it gets: after first, to last."""
    for label, row in remaining.items():
        first = 0
        for split, images in enumerate(row):
            yield label, split, first, first + images
            first += images
