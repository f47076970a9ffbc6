"""Which image goes to which split, and to which place in it: pure arithmetic on content keys.

Every choice is by a seeded hash of the image's content, so the order in which files were listed,
the runner and the number of workers change nothing.
"""

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from headrace import UsageError

DEFAULT = "train:0.8,validation:0.1,test:0.1"


def parse(text: str) -> dict[str, Fraction]:
    """`"train:0.8,test:0.2"` → fractions by split name, in order.

    Raises:
        UsageError: not of that form, a fraction is not above 0, they do not sum to 1, a name comes
            twice, or there is no `train`.
    """
    fractions = {}
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        try:
            fraction = Fraction(number)
        except (ValueError, ZeroDivisionError):
            fraction = Fraction(0)
        if not name.isidentifier() or not name.islower() or fraction <= 0 or name in fractions:
            raise UsageError(
                f"--splits={text}: expected different names with fractions above 0, as in "
                f"{DEFAULT}; received {part!r}"
            )
        fractions[name] = fraction
    if sum(fractions.values()) != 1:
        raise UsageError(f"--splits={text}: the fractions sum to {float(sum(fractions.values()))}")
    if "train" not in fractions:
        raise UsageError(f"--splits={text}: there is no split 'train'")
    return fractions


def rank(keys: Sequence[str], paths: Sequence[str], seed: int, purpose: str) -> list[int]:
    """The positions of images in seeded random order.

    Args:
        keys: content key of each image.
        paths: settle the order of images with the same content.
        seed: of the order.
        purpose: another word gives an independent order.

    Returns:
        Indices into `keys`, first to last.
    """
    salt = f"{seed}:{purpose}".encode()
    hashes = [hashlib.blake2b(key.encode(), digest_size=8, key=salt).digest() for key in keys]
    return sorted(range(len(keys)), key=lambda i: (hashes[i], keys[i], paths[i]))


def stratify(
    labels: Sequence[int],
    keys: Sequence[str],
    paths: Sequence[str],
    fractions: Sequence[Fraction],
    seed: int,
) -> np.ndarray:
    """Chooses a split for every image, class by class.

    Args:
        labels: of each image.
        keys: content key of each image.
        paths: settle the order of images with the same content.
        fractions: of each split; they sum to 1.
        seed: of the choice.

    Returns:
        int64 `[images]`, an index into `fractions`. Totals are exact, and the count of each class
        in each split is its exact quota to within one image.
    """
    labels = np.asarray(labels)
    classes, inverse = np.unique(labels, return_inverse=True)
    table = controlled_rounding(np.bincount(inverse, minlength=len(classes)).tolist(), fractions)
    order = np.asarray(rank(keys, paths, seed, "split"), np.int64)
    chosen = np.empty(len(labels), np.int64)
    for position, counts in enumerate(table):
        members = order[inverse[order] == position]
        chosen[members] = np.repeat(np.arange(len(fractions)), counts)
    return chosen


def controlled_rounding(counts: Sequence[int], fractions: Sequence[Fraction]) -> list[list[int]]:
    """Rounds the table of quotas `counts[i] * fractions[j]` to whole numbers.

    Rows sum to `counts`; columns sum to the largest-remainder share of the grand total; every cell
    is within one of its quota. (Cox, A Constructive Procedure for Unbiased Controlled Rounding,
    1987, shows that such a table exists.) Each row is rounded alone, then images are moved between
    columns along shortest paths until the columns are right.

    Args:
        counts: images per class.
        fractions: per split; they sum to 1.

    Returns:
        `[classes][splits]`. Inside, quotas are whole numbers of 1/`unit`, so nothing is rounded
        but at the end.
    """
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    shares = [int(fraction * unit) for fraction in fractions]
    quotas = [[count * share for share in shares] for count in counts]
    table = [_largest_remainder(row, unit) for row in quotas]
    wanted = _largest_remainder([sum(counts) * share for share in shares], unit)
    while True:
        surplus = [sum(row[j] for row in table) - wanted[j] for j in range(len(wanted))]
        if not any(surplus):
            return table
        for row, giver, taker in _shortest_path(table, quotas, unit, surplus):
            table[row][giver] -= 1
            table[row][taker] += 1


def _shortest_path(
    table: list[list[int]], quotas: list[list[int]], unit: int, surplus: list[int]
) -> list[tuple[int, int, int]]:
    """Moves (row, from column, to column) that take one image from a column over to one under.

    Moves that keep a cell strictly within one of its quota are preferred; where these lead nowhere,
    a cell may be off by exactly one.
    """
    for exactly_one in (False, True):
        moves = _possible_moves(table, quotas, unit, exactly_one)
        paths = [([], column) for column, extra in enumerate(surplus) if extra > 0]
        seen = {column for _, column in paths}
        while paths:
            path, column = paths.pop(0)
            if surplus[column] < 0:
                return path
            for (giver, taker), row in moves.items():
                if giver == column and taker not in seen:
                    seen.add(taker)
                    paths.append(([*path, (row, giver, taker)], taker))
    raise AssertionError("controlled rounding found no way, which cannot be")


def _possible_moves(
    table: list[list[int]], quotas: list[list[int]], unit: int, exactly_one: bool
) -> dict[tuple[int, int], int]:
    """For each pair of columns a row that can move one image, the one it costs least."""

    def error(row: int, column: int, change: int) -> int:
        return abs((table[row][column] + change) * unit - quotas[row][column])

    moves: dict[tuple[int, int], tuple[int, int]] = {}
    columns = range(len(quotas[0]))
    for row in range(len(table)):
        for giver in columns:
            for taker in columns:
                worst = max(error(row, giver, -1), error(row, taker, +1))
                allowed = worst < unit or (exactly_one and worst == unit)
                if giver != taker and table[row][giver] and allowed:
                    cost = (worst, row)
                    moves[giver, taker] = min(moves.get((giver, taker), cost), cost)
    return {pair: row for pair, (_, row) in moves.items()}


def _largest_remainder(quotas: Sequence[int], unit: int) -> list[int]:
    """Whole numbers that sum as `quotas` (in 1/`unit`) do, each its floor or one more.

    The first of equal remainders comes first.
    """
    floors = [quota // unit for quota in quotas]
    left = sum(quotas) // unit - sum(floors)
    by_remainder = sorted(range(len(quotas)), key=lambda j: (-(quotas[j] % unit), j))
    for column in by_remainder[:left]:
        floors[column] += 1
    return floors
