"""How many images of each class come to each split: whole numbers with exact totals.

Pure arithmetic. Quotas are whole numbers of 1/`unit`, so nothing is rounded but at the end.
"""

import dataclasses
import heapq
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

# For each pair of columns, giver and taker, a heap of (cost, row): the rows that can move an image.
# What a move changed is offered anew; entries that no longer hold are dropped when they come up.
_Moves = dict[tuple[int, int], list[tuple[int, int]]]
# Row, the column that gives an image, and the one that takes it.
_Move = tuple[int, int, int]


def round_quotas(counts: Sequence[int], fractions: Sequence[Fraction]) -> list[list[int]]:
    """Round the table of quotas `counts[i] * fractions[j]` to whole numbers.

    Rows sum to `counts`; columns sum to the largest-remainder share of the grand total; every cell
    is within one of its quota. (Cox, A Constructive Procedure for Unbiased Controlled Rounding,
    1987, shows that such a table exists.) Each row is rounded alone, then images are moved between
    columns along shortest paths until the columns are right.

    Args:
        counts: images per class.
        fractions: share of each split; they sum to 1.

    Returns:
        `[classes][splits]`.
    """
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    shares = [int(fraction * unit) for fraction in fractions]
    quotas = [[count * share for share in shares] for count in counts]
    table = _Table([_largest_remainder(row, unit) for row in quotas], quotas, unit)
    totals = _largest_remainder([sum(counts) * share for share in shares], unit)
    columns = range(len(shares))
    surplus = [sum(row[column] for row in table.cells) - totals[column] for column in columns]
    moves: _Moves = {(giver, taker): [] for giver in columns for taker in columns}
    if any(surplus):
        for row in range(len(counts)):
            _offer(moves, table, row, columns, columns)
    while any(surplus):
        path = _shortest_path(moves, table, surplus)
        surplus[path[0][1]] -= 1
        surplus[path[-1][2]] += 1
        for row, giver, taker in path:
            table.cells[row][giver] -= 1
            table.cells[row][taker] += 1
        for row, giver, taker in path:
            _offer(moves, table, row, (giver, taker), columns)
            _offer(moves, table, row, columns, (giver, taker))
    return table.cells


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table of whole numbers, `[classes][splits]`, and its quotas in 1/`unit`."""

    cells: list[list[int]]
    quotas: list[list[int]]
    unit: int

    def error(self, row: int, column: int, change: int) -> int:
        """Return how far from its quota, in 1/`unit`, a cell gets by a change."""
        return abs((self.cells[row][column] + change) * self.unit - self.quotas[row][column])


def _offer(
    moves: _Moves, table: _Table, row: int, givers: Iterable[int], takers: Iterable[int]
) -> None:
    """Add the moves of a row from these columns to those."""
    gives = [(table.error(row, giver, -1), giver) for giver in givers if table.cells[row][giver]]
    takes = [(table.error(row, taker, +1), taker) for taker in takers]
    takes = [(error, taker) for error, taker in takes if error <= table.unit]
    for error, giver in gives:
        if error <= table.unit:
            for other, taker in takes:
                if giver != taker:
                    heapq.heappush(moves[giver, taker], (max(error, other), row))


def _shortest_path(moves: _Moves, table: _Table, surplus: list[int]) -> list[_Move]:
    """Return moves that take one image from a column with too many to one with too few.

    Moves that keep a cell strictly within one of its quota are preferred; where these lead nowhere,
    a cell may be off by exactly one.
    """
    for limit in (table.unit - 1, table.unit):
        paths: list[tuple[list[_Move], int]] = [
            ([], column) for column, extra in enumerate(surplus) if extra > 0
        ]
        visited = {column for _, column in paths}
        for path, giver in paths:  # grows meanwhile
            for taker in range(len(surplus)):
                if taker in visited:
                    continue
                cost, row = _cheapest(moves[giver, taker], table, giver, taker)
                if cost <= limit:
                    longer = [*path, (row, giver, taker)]
                    if surplus[taker] < 0:
                        return longer
                    visited.add(taker)
                    paths.append((longer, taker))
    raise AssertionError("controlled rounding found no way, which cannot be")


def _cheapest(
    heap: list[tuple[int, int]], table: _Table, giver: int, taker: int
) -> tuple[int, int]:
    """Return cost and row of the best move between two columns; (2 `unit`, -1) if there is none."""
    while heap:
        cost, row = heap[0]
        if table.cells[row][giver]:
            now = max(table.error(row, giver, -1), table.error(row, taker, +1))
            if now == cost:
                return cost, row
        heapq.heappop(heap)
    return 2 * table.unit, -1


def _largest_remainder(quotas: Sequence[int], unit: int) -> list[int]:
    """Return whole numbers that sum as `quotas` (in 1/`unit`) do, each its floor or one more.

    The first of equal remainders comes first.
    """
    floors = [quota // unit for quota in quotas]
    left = sum(quotas) // unit - sum(floors)
    by_remainder = sorted(range(len(quotas)), key=lambda j: (-(quotas[j] % unit), j))
    for column in by_remainder[:left]:
        floors[column] += 1
    return floors
