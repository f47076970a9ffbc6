"""`--splits`: how large each split is, and how many images of each class: pure arithmetic."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from headrace import UsageError

DEFAULT = "train:0.8,validation:0.1,test:0.1"
_FORMS = f"fractions that sum to 1 ({DEFAULT}), sizes (validation:5000,test:5000), auto, or kfold:5"
# The seeds' rule of thumb: the fewer images, the larger the share for testing.
_AUTO_TEST = ((1_000, Fraction(20, 100)), (10_000, Fraction(10, 100)))
_AUTO_TEST_OF_MANY, _AUTO_VALIDATION = Fraction(5, 100), Fraction(10, 100)


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
            value = Fraction(number)
        except (ValueError, ZeroDivisionError):
            value = Fraction(0)
        if not name.isidentifier() or not name.islower() or value <= 0 or name in numbers:
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
