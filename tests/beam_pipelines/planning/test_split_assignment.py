"""The division of images among splits, as properties of a real table."""

import random
from collections import Counter
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_pipelines.planning import duplicates, image_table, label_sets, split_assignment
from beam_pipelines.rows import ScannedImage
from tests.beam_pipelines.jobs import names_in_order, prepare, write_listing
from tests.beam_pipelines.scanned_images import scanned_image
from tests.conftest import write_images


def divide(folder, rows: list[ScannedImage], shares: list[Fraction], policy="same_split"):
    """The split of every path, None for images that were dropped."""
    file = folder / f"images-{len(list(folder.iterdir()))}"
    labels = label_sets.single([str(n) for n in range(50)])
    with image_table.build(rows, labels, str(file)) as db:
        duplicates.resolve(db, policy, "source")
        split_assignment.join_groups(db)
        split_assignment.assign(db, shares, "source_split IS NULL")
        return dict(db.execute("SELECT path, split FROM images ORDER BY path"))


@st.composite
def shares(draw) -> list[Fraction]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), shares(), st.integers(0, 3))
@settings(max_examples=40)
def test_totals_are_exact_and_quotas_met_to_within_one(tmp_path_factory, labels, fractions, seed):
    rows = [scanned_image(n, label, n, seed=seed) for n, label in enumerate(labels)]
    chosen = divide(tmp_path_factory.mktemp("images"), rows, fractions)
    counts = np.zeros((5, len(fractions)), int)
    for row in rows:
        counts[int(str(row.label)), chosen[row.path]] += 1
    for split, fraction in enumerate(fractions):
        assert abs(counts[:, split].sum() - len(labels) * fraction) < 1
        for label in range(5):
            assert abs(counts[label, split] - labels.count(label) * fraction) <= 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.sampled_from([None, "a", "b", "c"])),
        min_size=1,
        max_size=90,
    ),
    shares(),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40)
def test_groups_and_duplicates_share_a_split_in_any_order_of_listing(
    tmp_path_factory, images, fractions, shuffler
):
    rows = [scanned_image(n, *image) for n, image in enumerate(images)]
    folder = tmp_path_factory.mktemp("images")
    chosen = divide(folder, rows, fractions)
    assert None not in chosen.values()
    for shared in ("content_hash", "group_id"):
        splits: dict[object, set] = {}
        for row in rows:
            if getattr(row, shared) is not None:
                splits.setdefault(getattr(row, shared), set()).add(chosen[row.path])
        assert all(len(found) == 1 for found in splits.values())
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert divide(folder, shuffled, fractions) == chosen


def test_a_chain_of_groups_and_duplicates_is_one_unit(tmp_path):
    """Image n shares its group with one neighbour and its pixels with the other."""
    rows = [
        scanned_image(n, label=0, content=(n + 1) // 2, group=f"g{n // 2:03d}") for n in range(200)
    ]
    assert len(set(divide(tmp_path, rows, [Fraction(1, 2)] * 2).values())) == 1


def test_many_pairs_do_not_spoil_the_quota(tmp_path):
    rows = [scanned_image(n, label=n % 3, content=min(n, 400)) for n in range(400)]
    rows += [scanned_image(1000 + n, label=n % 3, content=n) for n in range(60)]
    chosen = divide(tmp_path, rows, [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)])
    assert Counter(chosen.values()) == {0: 368, 1: 46, 2: 46}
    pairs = Counter(chosen[f"{1000 + n:04d}.png"] for n in range(60))
    assert set(pairs) == {0, 1, 2}  # by chance, not all to the largest
    for label in range(3):
        of_class = [row for row in rows if int(str(row.label)) == label]
        counts = Counter(chosen[row.path] for row in of_class)
        for split, share in enumerate((0.8, 0.1, 0.1)):
            assert abs(counts[split] - len(of_class) * share) <= 1


def test_patients_are_divided_nearly_to_the_quota(tmp_path):
    shuffler = random.Random(0)
    patients = [shuffler.randint(1, 12) for _ in range(300)]
    rows = [
        scanned_image(
            1000 * patient + n, label=patient % 2, content=1000 * patient + n, group=f"{patient}"
        )
        for patient, images in enumerate(patients)
        for n in range(images)
    ]
    chosen = divide(tmp_path, rows, [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)])
    counts = Counter(chosen.values())
    for split, share in enumerate((0.8, 0.1, 0.1)):
        assert abs(counts[split] - len(rows) * share) <= 2


def test_a_group_larger_than_every_quota_leaves_nothing_out(tmp_path):
    rows = [
        scanned_image(n, label=0, content=n, group="all" if n < 95 else None) for n in range(100)
    ]
    chosen = divide(tmp_path, rows, [Fraction(1, 2), Fraction(1, 2)])
    assert Counter(Counter(chosen.values()).values()) == {95: 1, 5: 1}


def test_dropped_duplicates_have_no_split(tmp_path):
    rows = [scanned_image(n, label=0, content=n % 10) for n in range(30)]
    chosen = divide(tmp_path, rows, [Fraction(1, 2)] * 2, policy="drop")
    assert {path for path, split in chosen.items() if split is not None} == {
        f"{n:04d}.png" for n in range(10)
    }
    assert Counter(split for split in chosen.values() if split is not None) == {0: 5, 1: 5}


def test_another_seed_gives_another_split(tmp_path):
    halves = [Fraction(1, 2)] * 2
    of_seed = [
        divide(tmp_path, [scanned_image(n, 0, n, seed=seed) for n in range(100)], halves)
        for seed in (1, 2)
    ]
    assert of_seed[0] != of_seed[1]


def steps_of_division(folder, classes: int) -> int:
    """Return how many thousand steps SQLite takes to divide three images of each class."""
    rows = [scanned_image(n, n // 3, n) for n in range(3 * classes)]
    labels = label_sets.single([str(label) for label in range(classes)])
    steps: list[None] = []
    with image_table.build(rows, labels, str(folder / f"{classes}")) as db:
        db.set_progress_handler(lambda: steps.append(None), 1000)
        duplicates.resolve(db, "same_split", "source")
        split_assignment.join_groups(db)
        split_assignment.assign(db, [Fraction(8, 10), Fraction(2, 10)], "source_split IS NULL")
    return len(steps)


def test_work_grows_as_the_classes_do(tmp_path):
    assert steps_of_division(tmp_path, 4000) < 5 * steps_of_division(tmp_path, 1000)


def test_a_group_is_in_one_split_also_where_duplicates_tie_it_to_another(tmp_path):
    write_images(tmp_path, {"a": 60, "b": 60})
    rows = [
        {"path": f"{label}/{n:03d}.png", "label": label, "group": f"patient{n // 3}"}
        for label in "ab"
        for n in range(60)
    ]
    for n in (0, 3, 6):  # the same picture of the next patient: a chain of four
        same = Image.open(tmp_path / f"a/{n:03d}.png")
        same.save(tmp_path / f"a/{n + 3:03d}.png", compress_level=1)
        same.save(tmp_path / f"a/{n + 5:03d}.png", compress_level=1)
    card = prepare(write_listing(tmp_path, rows), tmp_path / "data")
    found = {n: split for split, rows in names_in_order(tmp_path / "data").items() for n in rows}
    assert len(found) == 120
    splits: dict[str, set] = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(found[row["path"]])
    assert all(len(where) == 1 for where in splits.values())
    assert len({found[f"a/{n:03d}.png"] for n in range(12)}) == 1
    assert card.duplicates["leaks"] == 0
    for split, share in zip(card.splits.values(), (0.6, 0.4), strict=True):
        for count in split.per_class:
            assert abs(count - 60 * share) <= 3  # a patient's images
