"""Images that are the same, by their pixels, or look the same, by their perceptual hashes."""

import itertools
import sqlite3
from collections.abc import Iterator

import numpy as np

from beam_pipelines.planning import image_table
from headrace.errors import UserError

_BITS = 64
_KEY_DIGITS = 15  # of a key's hexadecimal ones, as many as int64 holds
_BLOCK, _PAIRS = 1 << 18, 1 << 19


def settle(db: sqlite3.Connection, policy: str, root: str) -> None:
    """Does with images of the same pixels what `--duplicates` says.

    `drop` keeps one of each label: the one in the last split that the source gave (so a published
    test split stays whole), then the first by path. The same pixels under two labels are a
    contradiction that only the user can settle; they are kept, and reported.

    Raises:
        UserError: the policy is `fail` and there are some.
    """
    db.execute(
        "CREATE TEMP TABLE same AS SELECT key, count(*) AS images, "
        "count(DISTINCT label) AS labels, min(id) AS first FROM images "
        "GROUP BY key HAVING count(*) > 1"
    )
    db.execute("CREATE UNIQUE INDEX temp.same_by_key ON same (key)")
    if policy == "fail":
        _fail(db, root)
    elif policy == "drop":
        own = "CASE own WHEN 'test' THEN 0 WHEN 'validation' THEN 1 ELSE 2 END"
        db.execute(
            "UPDATE images SET dropped = 'duplicate' FROM (SELECT id AS other, row_number() OVER "
            f"(PARTITION BY key, label ORDER BY {own}, path) AS place FROM images "
            "WHERE key IN (SELECT key FROM same)) WHERE id = other AND place > 1"
        )
    if policy in ("same_split", "drop"):
        db.execute("UPDATE images SET unit = first FROM same WHERE images.key = same.key")


def _fail(db: sqlite3.Connection, root: str) -> None:
    found = image_table.one(db, "SELECT count(*) FROM same")
    if found:
        paths = db.execute(
            "SELECT path FROM images WHERE key = (SELECT key FROM same ORDER BY first LIMIT 1) "
            "ORDER BY path LIMIT 2"
        ).fetchall()
        raise UserError(
            f"{found:,} pictures of {root} are there more than once, first {paths[0][0]} and "
            f"{paths[1][0]}; remove them, or choose --duplicates=same_split or drop"
        )


def groups(db: sqlite3.Connection) -> Iterator[dict]:
    """Images with the same pixels, contradictions first, then the largest groups.

    Yields:
        `{"pixels": KEY, "images": [{"id", "path", "label", "split", "dropped"}, …]}`, label and
        split as indices.
    """
    # A cursor that is being read sees no table change: nothing else runs on it meanwhile.
    cursor = db.execute("SELECT key FROM same ORDER BY labels > 1 DESC, images DESC, first")
    for (key,) in cursor:
        members = db.execute(
            "SELECT id, path, label, split, dropped FROM images WHERE key = ? ORDER BY path", (key,)
        )
        yield {"pixels": key, "images": [_member(row) for row in members]}


def find_near(db: sqlite3.Connection, bits: int, order: list[int]) -> None:
    """Fills the table `near`: for each image the nearest of an earlier split, if near enough.

    An image of a split is compared with those of all splits before it, never with its own; images
    with the same pixels are not listed again. Hashes that differ in at most `bits` of 64 agree in
    at least one of `bits + 1` bands, so only these are compared (multi-index hashing, Norouzi et
    al., Fast Search in Hamming Space, 2012).

    Args:
        db: the catalog, after the split.
        bits: that may differ.
        order: the indices of all splits, the training split first.
    """
    for position in range(1, len(order)):
        before = ", ".join(map(str, order[:position]))
        for later in _blocks(db, f"split = {order[position]}"):
            best = np.full((len(later), 2), (_BITS + 1, 0), np.int64)
            for earlier in _blocks(db, f"split IN ({before})"):
                for place, other, distance in _near_pairs(later, earlier, bits):
                    differ = later[place, 2] != earlier[other, 2]
                    place, other, distance = place[differ], other[differ], distance[differ]
                    _keep_best(best, place, distance, earlier[other, 0])
            found = best[:, 0] <= bits
            db.executemany(
                "INSERT INTO near VALUES (?, ?, ?)",
                np.column_stack([later[found, 0], best[found, ::-1]]).tolist(),
            )


def near_pairs(db: sqlite3.Connection) -> Iterator[dict]:
    """What `find_near` found, nearest first.

    Yields:
        `{"distance": BITS, "images": [the later image, the earlier one]}`, as in `groups`.
    """
    columns = ", ".join(
        f"{side}.{name}" for side in "ab" for name in ("id", "path", "label", "split", "dropped")
    )
    for row in db.execute(
        f"SELECT distance, {columns} FROM near JOIN images a ON a.id = near.id "
        "JOIN images b ON b.id = near.other ORDER BY distance, a.path"
    ):
        yield {"distance": row[0], "images": [_member(row[1:6]), _member(row[6:])]}


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many there are of each kind, as in `Card.duplicates`."""
    leaks = (
        "SELECT key FROM images WHERE dropped IS NULL AND key IN (SELECT key FROM same) "
        "GROUP BY key HAVING count(DISTINCT split) > 1"
    )
    return {
        "groups": image_table.one(db, "SELECT count(*) FROM same"),
        "conflicts": image_table.one(db, "SELECT count(*) FROM same WHERE labels > 1"),
        "leaks": image_table.one(db, f"SELECT count(*) FROM ({leaks})"),
        "near": image_table.one(db, "SELECT count(*) FROM near"),
    }


def lines(db: sqlite3.Connection, classes: list[str], names: list[str]) -> Iterator[dict]:
    """The lines of `duplicates.jsonl`: all groups and pairs, with the names of class and split.

    Args:
        db: the catalog, with splits.
        classes: names, in the order of their labels.
        names: of the splits.
    """
    for group in itertools.chain(groups(db), near_pairs(db)):
        images = [
            {
                "path": image["path"],
                "class": classes[image["label"]],
                "split": None if image["split"] is None else names[image["split"]],
                "dropped": bool(image["dropped"]),
            }
            for image in group["images"]
        ]
        yield {**group, "images": images}


def _member(row: tuple) -> dict:
    return dict(zip(("id", "path", "label", "split", "dropped"), row, strict=True))


def _blocks(db: sqlite3.Connection, condition: str) -> Iterator[np.ndarray]:
    """`[images, 3]`, int64: id, perceptual hash and the end of the key, some at a time."""
    after = 0
    while True:
        block = db.execute(
            f"SELECT id, looks, substr(key, -{_KEY_DIGITS}) FROM images "
            f"WHERE {condition} AND dropped IS NULL AND id > ? ORDER BY id LIMIT ?",
            (after, _BLOCK),
        ).fetchall()
        if not block:
            return
        after = block[-1][0]
        yield np.array([(id_, looks, int(key, 16)) for id_, looks, key in block], np.int64)


def _near_pairs(
    later: np.ndarray, earlier: np.ndarray, bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Places in both blocks, and the distance, of pairs near enough; some come more than once."""
    edges = [_BITS * band // (bits + 1) for band in range(bits + 2)]
    ours, theirs = later[:, 1].view(np.uint64), earlier[:, 1].view(np.uint64)
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        bands = (theirs >> np.uint64(low)) & mask
        order = np.argsort(bands, kind="stable")
        wanted = (ours >> np.uint64(low)) & mask
        first = np.searchsorted(bands[order], wanted, "left")
        counts = np.searchsorted(bands[order], wanted, "right") - first
        for part in _parts(counts):
            places = np.repeat(np.arange(part.start, part.stop), counts[part])
            within = np.arange(len(places)) - np.repeat(
                np.cumsum(counts[part]) - counts[part], counts[part]
            )
            others = order[np.repeat(first[part], counts[part]) + within]
            distance = np.bitwise_count(ours[places] ^ theirs[others])
            close = distance <= bits
            yield places[close], others[close], distance[close]


def _parts(counts: np.ndarray) -> Iterator[slice]:
    """Slices of `counts` whose sums are about `_PAIRS` at most, so that memory is bounded."""
    totals = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = totals[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, done + _PAIRS, "right")))
        yield slice(start, stop)
        start = stop


def _keep_best(best: np.ndarray, places: np.ndarray, distance: np.ndarray, ids: np.ndarray) -> None:
    """Keeps, for each place, the smallest distance, and of equal ones the smallest id."""
    order = np.lexsort((ids, distance, places))
    places, distance, ids = places[order], distance[order], ids[order]
    first = np.flatnonzero(np.r_[True, places[1:] != places[:-1]]) if len(places) else []
    for place, far, other in zip(places[first], distance[first], ids[first], strict=True):
        if (far, other) < tuple(best[place]):
            best[place] = far, other
