"""Images that are the same, by their pixels, or look the same, by their perceptual hashes."""

import itertools
import sqlite3
from collections.abc import Iterator

import numpy as np

from beam_pipelines.planning import image_table
from beam_pipelines.planning.label_sets import LabelSets
from headrace.errors import UserError

_BITS = 64
_HASH_DIGITS = 15  # of a content hash in hexadecimal, as many as int64 holds
_BLOCK, _PAIRS = 1 << 18, 1 << 19
# What is told of an image of a group.
_MEMBER = ("id", "path", "label", "split", "dropped")


def resolve(db: sqlite3.Connection, policy: str, root: str) -> None:
    """Apply `duplicates` to images of the same pixels.

    `drop` keeps one of each label: the one in the last split that the source gave (so a published
    test split stays complete), then the first by path. The same pixels under two labels are a
    contradiction that only the user can settle; they are kept, and reported. (In a multi-label
    dataset a label is all of an image's classes.)

    Args:
        db: the image table.
        policy: one of `config.DUPLICATES`.
        root: root of the source, for messages.

    Raises:
        UserError: the policy is `fail` and there are some.
    """
    db.execute(
        "CREATE TEMP TABLE duplicate_groups AS SELECT content_hash, count(*) AS images, "
        "count(DISTINCT label) AS labels, min(id) AS first_id FROM images "
        "GROUP BY content_hash HAVING count(*) > 1"
    )
    db.execute("CREATE UNIQUE INDEX temp.group_by_content ON duplicate_groups (content_hash)")
    if policy == "fail":
        _fail(db, root)
    elif policy == "drop":
        order = "CASE source_split WHEN 'test' THEN 0 WHEN 'validation' THEN 1 ELSE 2 END, path"
        db.execute(
            "UPDATE images SET dropped = 'duplicate' FROM (SELECT id AS copy_id, row_number() OVER "
            f"(PARTITION BY content_hash, label ORDER BY {order}) AS nth FROM images "
            "WHERE content_hash IN (SELECT content_hash FROM duplicate_groups)) "
            "WHERE id = copy_id AND nth > 1"
        )
    if policy in ("same_split", "drop"):
        db.execute(
            "UPDATE images SET split_unit = first_id FROM duplicate_groups "
            "WHERE images.content_hash = duplicate_groups.content_hash"
        )


def _fail(db: sqlite3.Connection, root: str) -> None:
    groups = image_table.one(db, "SELECT count(*) FROM duplicate_groups")
    if groups:
        paths = db.execute(
            "SELECT path FROM images WHERE content_hash = (SELECT content_hash "
            "FROM duplicate_groups ORDER BY first_id LIMIT 1) ORDER BY path LIMIT 2"
        ).fetchall()
        raise UserError(
            f"{groups:,} pictures of {root} are there more than once, first {paths[0][0]} and "
            f"{paths[1][0]}; remove them, or choose `duplicates`=same_split or drop"
        )


def groups(db: sqlite3.Connection) -> Iterator[dict]:
    """Yield the groups of images with the same pixels, contradictions first, then the largest.

    Yields:
        `{"pixels": HASH, "images": [{"id", "path", "label", "split", "dropped"}, …]}`, label and
        split as indices.
    """
    # A cursor that is being read sees no table change: nothing else runs on it meanwhile.
    cursor = db.execute(
        "SELECT content_hash FROM duplicate_groups ORDER BY labels > 1 DESC, images DESC, first_id"
    )
    for (content_hash,) in cursor:
        images = db.execute(
            f"SELECT {', '.join(_MEMBER)} FROM images WHERE content_hash = ? ORDER BY path",
            (content_hash,),
        )
        yield {"pixels": content_hash, "images": [_member(row) for row in images]}


def find_near_duplicates(db: sqlite3.Connection, bits: int, order: list[int]) -> None:
    """Fill `near_duplicates`: for each image the nearest of an earlier split, if near enough.

    An image of a split is compared with those of all splits before it, never with its own; images
    with the same pixels are not listed again. Hashes that differ in at most `bits` of 64 agree in
    at least one of `bits + 1` bands, so only these are compared (multi-index hashing, Norouzi et
    al., Fast Search in Hamming Space, 2012).

    Args:
        db: the image table, after the split.
        bits: number of bits that may differ.
        order: indices of all splits, the training split first.
    """
    for position in range(1, len(order)):
        before = ", ".join(map(str, order[:position]))
        for later in _blocks(db, f"split = {order[position]}"):
            nearest = np.full((len(later), 2), (_BITS + 1, 0), np.int64)
            for earlier in _blocks(db, f"split IN ({before})"):
                for row, other, distance in _near_pairs(later, earlier, bits):
                    differ = later[row, 2] != earlier[other, 2]
                    row, other, distance = row[differ], other[differ], distance[differ]
                    _update_nearest(nearest, row, distance, earlier[other, 0])
            near = nearest[:, 0] <= bits
            db.executemany(
                "INSERT INTO near_duplicates VALUES (?, ?, ?)",
                np.column_stack([later[near, 0], nearest[near, ::-1]]).tolist(),
            )


def near_duplicate_pairs(db: sqlite3.Connection) -> Iterator[dict]:
    """Yield what `find_near_duplicates` found, nearest first.

    Yields:
        `{"distance": BITS, "images": [the later image, the earlier one]}`, as in `groups`.
    """
    columns = ", ".join(f"{image}.{name}" for image in ("later", "earlier") for name in _MEMBER)
    for row in db.execute(
        f"SELECT distance, {columns} FROM near_duplicates "
        "JOIN images later ON later.id = near_duplicates.id "
        "JOIN images earlier ON earlier.id = neighbor_id ORDER BY distance, later.path"
    ):
        members = row[1 : 1 + len(_MEMBER)], row[1 + len(_MEMBER) :]
        yield {"distance": row[0], "images": [_member(member) for member in members]}


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many there are of each kind, as in `Card.duplicates`."""
    leaks = (
        "SELECT content_hash FROM images WHERE dropped IS NULL "
        "AND content_hash IN (SELECT content_hash FROM duplicate_groups) "
        "GROUP BY content_hash HAVING count(DISTINCT split) > 1"
    )
    return {
        "groups": image_table.one(db, "SELECT count(*) FROM duplicate_groups"),
        "conflicts": image_table.one(db, "SELECT count(*) FROM duplicate_groups WHERE labels > 1"),
        "leaks": image_table.one(db, f"SELECT count(*) FROM ({leaks})"),
        "near": image_table.one(db, "SELECT count(*) FROM near_duplicates"),
    }


def lines(db: sqlite3.Connection, labels: LabelSets, splits: list[str]) -> Iterator[dict]:
    """Yield the lines of `duplicates.jsonl`: all groups and pairs, with names of class and split.

    Args:
        db: the image table, with splits.
        labels: labels of the images.
        splits: names, in the order of their indices.
    """
    for group in itertools.chain(groups(db), near_duplicate_pairs(db)):
        images = [
            {
                "path": image["path"],
                **_classes(labels, image["label"]),
                "split": None if image["split"] is None else splits[image["split"]],
                "dropped": bool(image["dropped"]),
            }
            for image in group["images"]
        ]
        yield {**group, "images": images}


def _classes(labels: LabelSets, label: int) -> dict[str, object]:
    names = labels.names(label)
    return {"classes": names} if labels.multi_label else {"class": names[0]}


def _member(row: tuple) -> dict:
    return dict(zip(_MEMBER, row, strict=True))


def _blocks(db: sqlite3.Connection, condition: str) -> Iterator[np.ndarray]:
    """Yield blocks of id, perceptual hash and end of content hash, int64 `[images, 3]`."""
    after = 0
    while True:
        block = db.execute(
            f"SELECT id, perceptual_hash, substr(content_hash, -{_HASH_DIGITS}) FROM images "
            f"WHERE {condition} AND dropped IS NULL AND id > ? ORDER BY id LIMIT ?",
            (after, _BLOCK),
        ).fetchall()
        if not block:
            return
        after = block[-1][0]
        yield np.array([(id_, looks, int(end, 16)) for id_, looks, end in block], np.int64)


def _near_pairs(
    later: np.ndarray, earlier: np.ndarray, bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield rows in both blocks, and the distance, of pairs near enough; some more than once."""
    edges = [_BITS * band // (bits + 1) for band in range(bits + 2)]
    later_hash, earlier_hash = (block[:, 1].view(np.uint64) for block in (later, earlier))
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        bands = (earlier_hash >> np.uint64(low)) & mask
        order = np.argsort(bands, kind="stable")
        band = (later_hash >> np.uint64(low)) & mask
        first = np.searchsorted(bands[order], band, "left")
        matches = np.searchsorted(bands[order], band, "right") - first
        for part in _parts(matches):
            rows = np.repeat(np.arange(part.start, part.stop), matches[part])
            within = np.arange(len(rows)) - np.repeat(
                np.cumsum(matches[part]) - matches[part], matches[part]
            )
            others = order[np.repeat(first[part], matches[part]) + within]
            distance = np.bitwise_count(later_hash[rows] ^ earlier_hash[others])
            close = distance <= bits
            yield rows[close], others[close], distance[close]


def _parts(matches: np.ndarray) -> Iterator[slice]:
    """Yield slices of `matches` whose sums are about `_PAIRS` at most, so memory is bounded."""
    totals = np.cumsum(matches)
    start = 0
    while start < len(matches):
        done = totals[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, done + _PAIRS, "right")))
        yield slice(start, stop)
        start = stop


def _update_nearest(
    nearest: np.ndarray, rows: np.ndarray, distance: np.ndarray, ids: np.ndarray
) -> None:
    """Set each row's smallest distance, and of equal ones the smallest id.

    Args:
        nearest: int64 `[images, 2]`: distance and id.
        rows: int64 `[pairs]`, rows of `nearest`.
        distance: `[pairs]`, bits that differ.
        ids: int64 `[pairs]`, ids of the other images.
    """
    order = np.lexsort((ids, distance, rows))
    rows, distance, ids = rows[order], distance[order], ids[order]
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    for row, bits, other in zip(rows[first], distance[first], ids[first], strict=True):
        if (bits, other) < tuple(nearest[row]):
            nearest[row] = bits, other
