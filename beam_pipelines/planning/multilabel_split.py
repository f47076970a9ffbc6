"""Divides units of images that have several classes each, so that every class keeps its share.

Exact quotas for each set of classes would say little about the classes: most sets are rare. Here
the sizes of the splits are what is exact, and the counts of classes come as near to their quotas as
a search brings them:

1. One unit after the other goes to the split that needs it most: the largest units first, then
   those whose rarest class is the rarest, as in Sechidis, Tsoumakas & Vlahavas, On the
   Stratification of Multi-Label Data, 2011. A split that is full takes no more.
2. Units of one size in two splits change places as long as that helps, the best pair first.

What needs it most, and what helps, is one sum: of (count - quota)² / quota over all splits and
classes, and, a tenth as heavy, over pairs of classes (pairs as evidence are of Szymański &
Kajdanowicz, A Network Perspective on Stratification of Multi-Label Data, 2017). Images without a
class count as a class. In the second step a class costs a little more, whatever its quota: by the
sum above alone frequent classes would be several images off for the sake of pairs. In the first
step that would fill a large split with them before the others get any.

Pure arithmetic: units come in a seeded order, and nothing else decides. Numbers are added up in
that order, so they are the same to the last bit on every machine.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from beam_pipelines.planning.controlled_rounding import round_quotas

_PAIR_WEIGHT = 0.1
_CLASS_WEIGHT = 0.03  # in the second step, added to 1 / quota
# Of the second step: units that may change places (more are sampled evenly), the best of each split
# that are looked at for a swap, how many swaps there are at most, and what counts as better.
_CANDIDATES, _BEST, _SWAPS, _BETTER = 1 << 15, 48, 1000, 1e-9

# A class, a pair of classes, or nothing for images without a class.
_Feature = tuple[int, ...]
# A unit: how many images it has of each set of classes, given as indices.
Unit = Mapping[tuple[int, ...], int]


def divide(units: Sequence[Unit], shares: Sequence[Fraction]) -> list[int]:
    """Return the split of each unit.

    Args:
        units: units in seeded order.
        shares: share of each split; they sum to 1.

    Returns:
        Indices of splits. Their sizes are the largest-remainder shares of all images, exactly where
        there are enough units of one image to fill them.
    """
    sizes = [sum(unit.values()) for unit in units]
    balance = _Balance.of([_features(unit) for unit in units], shares)
    splits = _place(balance, sizes, round_quotas([sum(sizes)], shares)[0])
    balance.weight[balance.single] += _CLASS_WEIGHT
    size_of = np.array(sizes)
    for size in sorted(set(sizes)):
        same = np.flatnonzero(size_of == size)
        stride = -(-len(same) // _CANDIDATES)
        _swap(balance, splits, same[::stride])
    return splits.tolist()


def _features(unit: Unit) -> Counter[_Feature]:
    """Return how many images of a unit have each class, each pair of classes, and none."""
    counts: Counter[_Feature] = Counter()
    for classes, images in unit.items():
        single: Iterable[_Feature] = [(each,) for each in classes] or [()]
        for feature in itertools.chain(single, itertools.combinations(sorted(classes), 2)):
            counts[feature] += images
    return counts


@dataclasses.dataclass(frozen=True)
class _Balance:
    """How far each split is from its quotas.

    Attributes:
        features: of each unit the numbers of its features, and how many images have them.
        rarest: of each unit how many images have its rarest class.
        deviation: images above the quota, float64 `[features, splits]`.
        weight: what a squared deviation costs, float64 `[features, splits]`.
        single: which features are no pairs, bool `[features]`.
    """

    features: list[tuple[list[int], list[int]]]
    rarest: list[int]
    deviation: np.ndarray
    weight: np.ndarray
    single: np.ndarray

    @classmethod
    def of(cls, units: Sequence[Counter[_Feature]], shares: Sequence[Fraction]) -> "_Balance":
        """Return the balance of splits that are all empty."""
        totals: Counter[_Feature] = Counter()
        for unit in units:
            totals.update(unit)
        number = {feature: index for index, feature in enumerate(sorted(totals))}
        counts = np.array([totals[feature] for feature in number], np.float64)
        quota = counts[:, None] * np.array([float(share) for share in shares])
        single = np.array([len(feature) < 2 for feature in number])
        return cls(
            [([number[each] for each in unit], list(unit.values())) for unit in units],
            [min(totals[each] for each in unit if len(each) < 2) for unit in units],
            -quota,
            np.where(single, 1.0, _PAIR_WEIGHT)[:, None] / quota,
            single,
        )

    def move(self, unit: int, splits: np.ndarray, target: int) -> None:
        """Put a unit into another split, or into its first where it has none (-1)."""
        rows, images = self.features[unit]
        if splits[unit] >= 0:
            self.deviation[rows, splits[unit]] -= images
        self.deviation[rows, target] += images
        splits[unit] = target


def _place(balance: _Balance, sizes: list[int], room: list[int]) -> np.ndarray:
    """Put every unit into the split that needs it most of those with room for it.

    Args:
        balance: balance of the empty splits; changed.
        sizes: images of each unit.
        room: images that each split lacks.

    Returns:
        int64 `[units]`.
    """
    splits, quotas = np.full(len(sizes), -1), list(room)
    deviation, weight = balance.deviation.tolist(), balance.weight.tolist()
    for unit in sorted(range(len(sizes)), key=lambda n: (-sizes[n], balance.rarest[n], n)):
        rows, images = balance.features[unit]
        best = None
        for split, free in enumerate(room):
            excess = max(0, sizes[unit] - free)
            cost = 0.0
            for row, count in zip(rows, images, strict=True):
                cost += weight[row][split] * count * (2 * deviation[row][split] + count)
            key = (excess, cost, -free / max(1, quotas[split]), split)
            if best is None or key < best:
                best = key
        assert best is not None
        split = best[-1]
        room[split] -= sizes[unit]
        for row, count in zip(rows, images, strict=True):
            deviation[row][split] += count
        splits[unit] = split
    balance.deviation[:] = deviation
    return splits


def _swap(balance: _Balance, splits: np.ndarray, units: np.ndarray) -> None:
    """Let units change places as long as that helps.

    Args:
        balance: balance of the splits; changed.
        splits: split of every unit; changed.
        units: units of one size, ascending.
    """
    candidates = _Candidates(balance, units)
    pairs = list(itertools.combinations(range(balance.weight.shape[1]), 2))
    swaps = unchanged = 0
    for one, other in itertools.cycle(pairs):
        while swaps < _SWAPS and (found := candidates.best_swap(splits, one, other)):
            balance.move(found[0], splits, other)
            balance.move(found[1], splits, one)
            swaps, unchanged = swaps + 1, 0
        unchanged += 1
        if unchanged > len(pairs) or swaps == _SWAPS:
            return


class _Candidates:
    """Units of one size that may change places."""

    def __init__(self, balance: _Balance, units: np.ndarray) -> None:
        self._balance, self._units = balance, units
        features = [balance.features[unit] for unit in units.tolist()]
        self._owner = np.repeat(np.arange(len(units)), [len(rows) for rows, _ in features])
        self._rows = np.array([row for rows, _ in features for row in rows], np.int64)
        self._images = np.array([n for _, images in features for n in images], np.float64)

    def best_swap(self, splits: np.ndarray, one: int, other: int) -> tuple[int, int] | None:
        """Return a unit of each split that had better change places; None if none had."""
        leaving, coming = self._best(splits, one, other), self._best(splits, other, one)
        best, found = -_BETTER, None
        for unit, cost in leaving:
            for partner, back in coming:
                # What both have stays where it is, and each alone was charged for it.
                if cost + back - 2 * self._bound(unit, partner, one, other) < best:
                    best = cost + back - 2 * self._bound(unit, partner, one, other)
                    found = unit, partner
        return found

    def _best(self, splits: np.ndarray, source: int, target: int) -> list[tuple[int, float]]:
        """Return the units of a split that had best go to another, and what that costs."""
        balance, rows, images = self._balance, self._rows, self._images
        there = balance.weight[rows, target] * (2 * balance.deviation[rows, target] + images)
        here = balance.weight[rows, source] * (images - 2 * balance.deviation[rows, source])
        costs = np.bincount(self._owner, images * (there + here), len(self._units))
        inside = np.flatnonzero(splits[self._units] == source)
        inside = inside[np.argsort(costs[inside], kind="stable")[:_BEST]]
        return list(zip(self._units[inside].tolist(), costs[inside].tolist(), strict=True))

    def _bound(self, unit: int, partner: int, one: int, other: int) -> float:
        """Return the cost of what two units have in common."""
        weight = self._balance.weight
        of_partner = dict(zip(*self._balance.features[partner], strict=True))
        return sum(
            count * of_partner[row] * (weight[row, one] + weight[row, other])
            for row, count in zip(*self._balance.features[unit], strict=True)
            if row in of_partner
        )
