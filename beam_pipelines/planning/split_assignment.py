"""Gives every image of a catalog its split: stratified, groups and duplicates kept together.

All choices follow the seeded order of contents, so that listing, runner and workers change nothing.
"""

import hashlib
import sqlite3
from collections import Counter
from fractions import Fraction

from beam_pipelines.planning import split_spec


def join_groups(db: sqlite3.Connection) -> None:
    """Gives images that share a group, or a unit with one of a group, the same unit.

    The smallest unit spreads from neighbour to neighbour until nothing changes.
    """
    db.execute(
        "CREATE TEMP TABLE linked AS SELECT id, team FROM images WHERE team IS NOT NULL "
        "AND dropped IS NULL"
    )
    if not db.execute("SELECT 1 FROM linked LIMIT 1").fetchone():
        return
    db.execute("CREATE INDEX by_team ON images (team)")
    db.execute("ALTER TABLE images ADD COLUMN twins INTEGER")
    db.execute("UPDATE images SET twins = unit")
    db.execute("CREATE INDEX by_twins ON images (twins)")
    changed = True
    while changed:
        changed = False
        for link in ("team", "twins"):
            changed |= (
                db.execute(
                    f"UPDATE images SET unit = least FROM (SELECT {link} AS link, "
                    f"min(unit) AS least, max(unit) AS most FROM images "
                    f"WHERE {link} IS NOT NULL GROUP BY {link} "
                    f"HAVING least < most) WHERE images.{link} = link AND unit > least"
                ).rowcount
                > 0
            )


def assign(db: sqlite3.Connection, shares: list[Fraction], divided: str) -> None:
    """Divides images among the splits 0, 1, …

    Per class and split the count is the exact quota to within one image, and the totals are exact,
    as far as units of several images can be cut that way: these go first, the largest ones before
    the others, each to a split drawn by the room that is left for its classes; single images then
    fill every split to its quota.

    Args:
        db: the catalog, with units.
        shares: of each split; they sum to 1.
        divided: SQL condition that selects the images.
    """
    condition = f"({divided}) AND dropped IS NULL"
    counts = dict(
        db.execute(f"SELECT label, count(*) FROM images WHERE {condition} GROUP BY label")
    )
    labels = sorted(counts)
    table = split_spec.controlled_rounding([counts[label] for label in labels], shares)
    room = dict(zip(labels, table, strict=True))
    db.execute("CREATE INDEX by_unit ON images (unit)")
    together = db.execute(
        f"SELECT unit, count(*) AS size FROM images WHERE {condition} GROUP BY unit "
        "HAVING size > 1 ORDER BY size DESC, unit"
    ).fetchall()
    for unit, _ in together:
        members = Counter(
            label
            for (label,) in db.execute(
                f"SELECT label FROM images WHERE unit = ? AND {condition}", (unit,)
            )
        )
        rank = db.execute("SELECT split_rank FROM images WHERE id = ?", (unit,)).fetchone()[0]
        split = _draw(members, room, rank)
        for label, images in members.items():
            room[label][split] -= images
        db.execute(f"UPDATE images SET split = ? WHERE unit = ? AND {condition}", (split, unit))
    _fill(db, {label: _without_debts(row) for label, row in room.items()}, condition)


def _draw(members: Counter, room: dict[int, list[int]], rank: int) -> int:
    """A split with room for the whole unit, by chance; else the one that overflows least."""
    splits = range(len(next(iter(room.values()))))
    fits = [all(room[label][s] >= images for label, images in members.items()) for s in splits]
    weights = [sum(room[label][s] for label in members) if fits[s] else 0 for s in splits]
    if not any(weights):
        over = [sum(max(0, n - room[label][s]) for label, n in members.items()) for s in splits]
        return min(splits, key=lambda s: (over[s], -sum(room[label][s] for label in members), s))
    # The unit's own hash, not its place in the order, is what chance is made of.
    digest = hashlib.blake2b(rank.to_bytes(8, "big", signed=True), digest_size=8).digest()
    point = int.from_bytes(digest, "big") % sum(weights)
    for split in splits:
        if point < weights[split]:
            return split
        point -= weights[split]
    raise AssertionError("a point beyond the sum of the weights")


def _without_debts(row: list[int]) -> list[int]:
    """Room that single images can fill: what one split got too much, the roomiest give up."""
    row = list(row)
    while min(row) < 0:
        row[row.index(max(row))] -= 1
        row[row.index(min(row))] += 1
    return row


def _fill(db: sqlite3.Connection, room: dict[int, list[int]], condition: str) -> None:
    """Gives single images, in seeded order, to the splits of their class until these are full."""
    db.execute(
        "CREATE TEMP TABLE bounds (label INTEGER, split INTEGER, after INTEGER, upto INTEGER)"
    )
    for label, row in room.items():
        after = 0
        for split, images in enumerate(row):
            db.execute(
                "INSERT INTO bounds VALUES (?, ?, ?, ?)", (label, split, after, after + images)
            )
            after += images
    db.execute(
        "UPDATE images SET split = chosen FROM (SELECT id AS single, bounds.split AS chosen FROM "
        "(SELECT id, label, row_number() OVER (PARTITION BY label ORDER BY id) AS place "
        f"FROM images WHERE split IS NULL AND {condition}) AS singles "
        "JOIN bounds ON bounds.label = singles.label AND place > after AND place <= upto) "
        "WHERE id = single"
    )
