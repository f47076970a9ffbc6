"""Images of several classes divided: sizes exact, units whole, classes near their shares."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.planning import (
    duplicates,
    image_table,
    label_sets,
    multilabel_split,
    split_assignment,
)
from beam_pipelines.planning.controlled_rounding import round_quotas
from tests.beam_pipelines.scanned_images import scanned_image

CLASSES = 6
EIGHT_ONE_ONE = [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)]

sets_of_classes = st.sets(st.integers(0, CLASSES - 1), max_size=3).map(lambda s: tuple(sorted(s)))


@st.composite
def shares(draw) -> list[Fraction]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    return [Fraction(weight, sum(weights)) for weight in weights]


def class_counts(sets, splits, count: int, classes: int) -> np.ndarray:
    """Images of each class in each split: `[splits, classes]`."""
    counts = np.zeros((count, classes), int)
    for indices, split in zip(sets, splits, strict=True):
        counts[split, list(indices)] += 1
    return counts


def deviations(sets, splits, fractions, classes: int) -> np.ndarray:
    counts = class_counts(sets, splits, len(fractions), classes)
    return counts - counts.sum(0) * np.array([[float(share)] for share in fractions])


@given(st.lists(sets_of_classes, min_size=1, max_size=120), shares())
@settings(max_examples=60)
def test_sizes_are_exact_and_every_class_is_near_its_quota(sets, fractions):
    splits = multilabel_split.divide([{indices: 1} for indices in sets], fractions)
    sizes = Counter(splits)
    assert [sizes[split] for split in range(len(fractions))] == (
        round_quotas([len(sets)], fractions)[0]
    )
    assert np.abs(deviations(sets, splits, fractions, CLASSES)).max() < 3


@pytest.mark.parametrize("seed", range(3))
def test_of_many_images_rare_classes_have_their_share_to_within_one(seed):
    """Classes as in chest X-rays: some frequent, most rare, three in ten images without any."""
    rng = np.random.default_rng(seed)
    chances = 0.6 / np.arange(1, 15)
    sets = [tuple(np.flatnonzero(rng.random(14) < chances).tolist()) for _ in range(1500)]
    splits = multilabel_split.divide([{indices: 1} for indices in sets], EIGHT_ONE_ONE)
    assert Counter(splits) == {0: 1200, 1: 150, 2: 150}
    images = class_counts(sets, splits, 3, 14).sum(0)
    assert images.min() < 75 and images.max() > 800
    bound = np.maximum(1, 0.003 * images)  # of the frequent ones three in a thousand
    assert (np.abs(deviations(sets, splits, EIGHT_ONE_ONE, 14)) <= bound).all()
    none = [split for indices, split in zip(sets, splits, strict=True) if not indices]
    for split, share in enumerate(EIGHT_ONE_ONE):
        assert abs(none.count(split) - len(none) * share) <= 2


def test_patients_are_divided_nearly_to_the_quotas():
    rng = np.random.default_rng(0)
    units, chances = [], 0.5 / np.arange(1, 9)
    for _ in range(300):
        images = rng.random((rng.integers(1, 13), 8)) < chances
        units.append(Counter(tuple(np.flatnonzero(row).tolist()) for row in images))
    splits = multilabel_split.divide(units, EIGHT_ONE_ONE)
    sets, of_image = [], []
    for unit, split in zip(units, splits, strict=True):
        sets += list(unit.elements())
        of_image += [split] * unit.total()
    sizes = Counter(of_image)
    assert [sizes[split] for split in range(3)] == round_quotas([len(sets)], EIGHT_ONE_ONE)[0]
    assert np.abs(deviations(sets, of_image, EIGHT_ONE_ONE, 8)).max() <= 3


def test_a_unit_larger_than_every_quota_leaves_nothing_out():
    units: list[multilabel_split.Unit] = [{(0,): 95}]
    units += [{(0, 1): 1}] * 5
    splits = multilabel_split.divide(units, [Fraction(1, 2)] * 2)
    assert len(set(splits[1:])) == 1 and splits[0] != splits[1]


def test_exchanges_bring_classes_nearer_than_placing_alone(monkeypatch):
    rng = np.random.default_rng(1)
    sets = [tuple(np.flatnonzero(rng.random(20) < 0.3).tolist()) for _ in range(400)]
    units = [{indices: 1} for indices in sets]
    found = deviations(sets, multilabel_split.divide(units, EIGHT_ONE_ONE), EIGHT_ONE_ONE, 20)
    monkeypatch.setattr(multilabel_split, "_SWAPS", 0)
    placed = deviations(sets, multilabel_split.divide(units, EIGHT_ONE_ONE), EIGHT_ONE_ONE, 20)
    assert (found**2).sum() < 0.7 * (placed**2).sum()


def divide_table(folder, rows, fractions) -> dict[str, int]:
    """The split of every path, through the image table."""
    names = [str(each) for each in range(CLASSES)]
    labels = label_sets.collect(names, (list(row.label) for row in rows))
    file = folder / f"images-{len(list(folder.iterdir()))}"
    with image_table.build(rows, labels, str(file)) as db:
        duplicates.resolve(db, "same_split", "source")
        split_assignment.join_groups(db)
        split_assignment.assign_sets(db, fractions, "source_split IS NULL")
        return dict(db.execute("SELECT path, split FROM images ORDER BY path"))


@given(
    st.lists(
        st.tuples(sets_of_classes, st.integers(0, 60), st.sampled_from([None, None, "a", "b"])),
        min_size=1,
        max_size=80,
    ),
    shares(),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30)
def test_groups_and_duplicates_share_a_split_in_any_order_of_listing(
    tmp_path_factory, images, fractions, shuffler
):
    rows = [
        scanned_image(n, [str(index) for index in indices], content, group)
        for n, (indices, content, group) in enumerate(images)
    ]
    folder = tmp_path_factory.mktemp("images")
    chosen = divide_table(folder, rows, fractions)
    assert None not in chosen.values()
    for shared in ("content_hash", "group_id"):
        splits: dict[object, set] = {}
        for row in rows:
            if getattr(row, shared) is not None:
                splits.setdefault(getattr(row, shared), set()).add(chosen[row.path])
        assert all(len(found) == 1 for found in splits.values())
    shuffler.shuffle(rows)
    assert divide_table(folder, rows, fractions) == chosen


def test_another_seed_gives_another_split(tmp_path):
    halves = [Fraction(1, 2)] * 2
    of_seed = [
        divide_table(tmp_path, [scanned_image(n, ["0"], n, seed=seed) for n in range(100)], halves)
        for seed in (1, 2)
    ]
    assert of_seed[0] != of_seed[1]
