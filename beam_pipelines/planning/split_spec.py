"""`--splits`: how large each split is, and how many images of each class: pure arithmetic."""

import heapq
import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from headrace.errors import UsageError

DEFAULT = "train:0.8,validation:0.1,test:0.1"
_FORMS = f"fractions that sum to 1 ({DEFAULT}), sizes (validation:5000,test:5000), auto, or kfold:5"
# The seeds' rule of thumb: the fewer images, the larger the share for testing.
_AUTO_TEST = ((1_000, Fraction(20, 100)), (10_000, Fraction(10, 100)))
_AUTO_TEST_OF_MANY, _AUTO_VALIDATION = Fraction(5, 100), Fraction(10, 100)

# A split's name is a part of file names, which have 255 bytes.
_LONGEST_NAME = 64


def is_name(text: str) -> bool:
    """Whether a split may have this name; TensorFlow Datasets keeps `all` for all splits."""
    plain = text.isidentifier() and text.islower() and text != "all"
    return plain and len(text.encode()) <= _LONGEST_NAME


def names(text: str, own: set[str]) -> list[str]:
    """The splits that `--splits` makes, in order.

    Args:
        text: `train:0.8,test:0.2`, `validation:1000,test:1000`, `auto` or `kfold:5`.
        own: splits that the source brings.

    Raises:
        UsageError: it is none of these forms.
    """
    if text == "auto":
        return [
            name for name in ("train", "validation", "test") if name == "train" or name not in own
        ]
    folds = re.fullmatch(r"kfold:(\d{1,3})", text)
    if folds:
        if int(folds[1]) < 2:
            raise UsageError(f"--splits={text}: two folds or more")
        return [f"fold_{number}" for number in range(int(folds[1]))]
    numbers = _numbers(text)
    return list(numbers) if "train" in numbers else ["train", *numbers]


def fractions(text: str, images: int, own: set[str]) -> dict[str, Fraction]:
    """The share of each split; `images` times it is a whole number where sizes were given.

    Args:
        text: see `names`.
        images: how many are to be divided.
        own: splits that the source brings.

    Raises:
        UsageError: there are not as many images as the sizes need.
    """
    wanted = names(text, own)
    if text == "auto":
        return _auto(images, own)
    if text.startswith("kfold:"):
        return {name: Fraction(1, len(wanted)) for name in wanted}
    numbers = _numbers(text)
    if sum(numbers.values()) == 1:
        return numbers
    rest = images - sum(numbers.values())
    if rest < 0 or (rest > 0) == ("train" in numbers):
        raise UsageError(
            f"--splits={text}: the sizes make {int(sum(numbers.values())):,}, there are {images:,} "
            "images to divide; leave out train to give it the rest"
        )
    sizes = {"train": Fraction(rest), **numbers}
    return {name: sizes[name] / images for name in wanted}


def check_sizes(text: str, images: int) -> None:
    """Makes sure, before any work, that there can be enough images.

    Raises:
        UsageError: sizes were given that sum to more than there are images to divide.
    """
    if text != "auto" and not text.startswith("kfold:"):
        total = sum(_numbers(text).values())
        if total > max(1, images):
            raise UsageError(
                f"--splits={text}: the sizes make {int(total):,}, there are only {images:,} images "
                "to divide"
            )


def _auto(images: int, own: set[str]) -> dict[str, Fraction]:
    test = next((share for below, share in _AUTO_TEST if images < below), _AUTO_TEST_OF_MANY)
    test = Fraction(0) if "test" in own else test
    validation = Fraction(0) if "validation" in own else (1 - test) * _AUTO_VALIDATION
    shares = {"train": 1 - test - validation, "validation": validation, "test": test}
    return {name: share for name, share in shares.items() if share}


def _numbers(text: str) -> dict[str, Fraction]:
    """Split names with what comes after the colon: fractions that sum to 1, or whole numbers."""
    numbers = {}
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        try:
            # A number of few digits: an exponent can make one that fills the memory.
            value = Fraction(number if re.fullmatch(r"[\d._/]{1,32}", number) else 0)
        except (ValueError, ZeroDivisionError):
            value = Fraction(0)
        if not is_name(name) or value <= 0 or name in numbers:
            raise UsageError(
                f"--splits={text}: expected {_FORMS}, with different names and numbers above 0; "
                f"received {part!r}"
            )
        numbers[name] = value
    total = sum(numbers.values())
    if total != 1 and any(value.denominator > 1 for value in numbers.values()):
        raise UsageError(f"--splits={text}: the fractions sum to {float(total)}")
    if total == 1 and "train" not in numbers:
        raise UsageError(f"--splits={text}: there is no split 'train'")
    return numbers


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
    columns = range(len(shares))
    surplus = [sum(row[column] for row in table) - wanted[column] for column in columns]
    moves: _Moves = {(giver, taker): [] for giver in columns for taker in columns}
    if any(surplus):
        for row in range(len(table)):
            _offer(moves, row, table[row], quotas[row], unit, columns, columns)
    while any(surplus):
        path = _shortest_path(moves, table, quotas, unit, surplus)
        surplus[path[0][1]] -= 1
        surplus[path[-1][2]] += 1
        for row, giver, taker in path:
            table[row][giver] -= 1
            table[row][taker] += 1
        for row, giver, taker in path:
            changed = (giver, taker)
            _offer(moves, row, table[row], quotas[row], unit, changed, columns)
            _offer(moves, row, table[row], quotas[row], unit, columns, changed)
    return table


# For each pair of columns, giver and taker, a heap of (cost, row): the rows that can move an image.
# What a move changed is offered anew; entries that no longer hold are dropped when they come up.
_Moves = dict[tuple[int, int], list[tuple[int, int]]]


def _offer(
    moves: _Moves,
    row: int,
    cells: list[int],
    quotas: list[int],
    unit: int,
    givers: Iterable[int],
    takers: Iterable[int],
) -> None:
    """Adds the moves of a row from these columns to those."""
    able = [(_error(cells, quotas, unit, giver, -1), giver) for giver in givers if cells[giver]]
    willing = [(_error(cells, quotas, unit, taker, +1), taker) for taker in takers]
    willing = [(error, taker) for error, taker in willing if error <= unit]
    for error, giver in able:
        if error <= unit:
            for other, taker in willing:
                if giver != taker:
                    heapq.heappush(moves[giver, taker], (max(error, other), row))


def _error(cells: list[int], quotas: list[int], unit: int, column: int, change: int) -> int:
    """How far from its quota, in 1/`unit`, a cell of a row gets by a change."""
    return abs((cells[column] + change) * unit - quotas[column])


def _shortest_path(
    moves: _Moves, table: list[list[int]], quotas: list[list[int]], unit: int, surplus: list[int]
) -> list[tuple[int, int, int]]:
    """Moves (row, from column, to column) that take one image from a column over to one under.

    Moves that keep a cell strictly within one of its quota are preferred; where these lead nowhere,
    a cell may be off by exactly one.
    """
    for limit in (unit - 1, unit):
        paths = [([], column) for column, extra in enumerate(surplus) if extra > 0]
        seen = {column for _, column in paths}
        for path, giver in paths:  # grows meanwhile
            for taker in range(len(surplus)):
                if taker in seen:
                    continue
                cost, row = _cheapest(moves[giver, taker], table, quotas, unit, giver, taker)
                if cost <= limit:
                    longer = [*path, (row, giver, taker)]
                    if surplus[taker] < 0:
                        return longer
                    seen.add(taker)
                    paths.append((longer, taker))
    raise AssertionError("controlled rounding found no way, which cannot be")


def _cheapest(
    heap: list[tuple[int, int]],
    table: list[list[int]],
    quotas: list[list[int]],
    unit: int,
    giver: int,
    taker: int,
) -> tuple[int, int]:
    """Cost and row of the best move from a column to another; (2 `unit`, -1) if there is none."""
    while heap:
        cost, row = heap[0]
        cells = table[row]
        given = _error(cells, quotas[row], unit, giver, -1)
        taken = _error(cells, quotas[row], unit, taker, +1)
        if cells[giver] and max(given, taken) == cost:
            return cost, row
        heapq.heappop(heap)
    return 2 * unit, -1


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
