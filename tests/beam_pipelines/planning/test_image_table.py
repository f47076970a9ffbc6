"""The image table: the same whatever the order of scanning, and sums that never overflow."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import rows
from beam_pipelines.planning import image_table, label_sets
from beam_pipelines.rows import ScannedImage
from tests.beam_pipelines.scanned_images import scanned_image

LABELS = label_sets.single(["0", "1", "2"])


def contents(folder, images: list[ScannedImage]) -> list[tuple]:
    """All rows of the table of these images, by their ids."""
    with image_table.build(images, LABELS, str(folder / "images")) as db:
        return db.execute("SELECT * FROM images ORDER BY id").fetchall()


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=25),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30)
def test_the_table_does_not_depend_on_the_order_of_listing(tmp_path_factory, images, chance):
    found = [scanned_image(n, *image) for n, image in enumerate(images)]
    first = contents(tmp_path_factory.mktemp("table"), found)
    chance.shuffle(found)
    assert contents(tmp_path_factory.mktemp("table"), found) == first


def test_ids_count_from_one_in_seeded_order_and_of_equal_pixels_by_path(tmp_path):
    images = [scanned_image(n, 0, n // 3) for n in range(30)]
    with image_table.build(reversed(images), LABELS, str(tmp_path / "images")) as db:
        stored = db.execute("SELECT id, split_unit, split, dropped, path FROM images").fetchall()
    by_rank = sorted(images, key=lambda image: (image.split_rank, image.path))
    assert by_rank != images
    assert sorted(stored) == [
        (position, position, None, None, image.path) for position, image in enumerate(by_rank, 1)
    ]


def test_every_column_of_an_image_comes_back(tmp_path):
    image = scanned_image(7, 2, 5, group="patient")
    with image_table.build([image], LABELS, str(tmp_path / "images")) as db:
        (row,) = db.execute(f"SELECT {', '.join(rows.table_columns())} FROM images")
    assert row == tuple(rows.table_values(image, 2))


def test_the_table_is_gone_after_the_block_and_errors_come_through(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        image_table.build([scanned_image(0, 0, 0)], LABELS, str(tmp_path / "images")) as db,
    ):
        assert image_table.one(db, "SELECT count(*) FROM images") == 1
        _ = 1 / 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


def test_one_is_the_only_value_of_a_query(tmp_path):
    images = [scanned_image(n, n % 2, n) for n in range(5)]
    with image_table.build(images, LABELS, str(tmp_path / "images")) as db:
        assert image_table.one(db, "SELECT count(*) FROM images WHERE label = ?", 1) == 2
        assert image_table.one(db, "SELECT max(split) FROM images") is None


def test_a_sum_is_that_of_the_images_meant_and_of_none_it_is_0(tmp_path):
    images = [scanned_image(n, n % 2, n) for n in range(10)]
    for n, image in enumerate(images):
        image.squares[0] = 2**33 + n
    with image_table.build(images, LABELS, str(tmp_path / "images")) as db:
        odd = image_table.exact_sum(db, "squares2", "label = 1")
        assert odd == sum(2**33 + n for n in range(1, 10, 2))
        assert image_table.exact_sum(db, "(rows * columns)", "label = 0") == 5 * 64
        assert image_table.exact_sum(db, "sums0", "label = 2") == 0


@pytest.mark.parametrize("value", [2**62, 2**40 + 1])
def test_sums_beyond_64_bits_are_exact(tmp_path, value):
    rows = []
    for n in range(30):
        row = scanned_image(n, 0, n)
        row.sums[0] = value + n
        rows.append(row)
    with image_table.build(rows, LABELS, str(tmp_path / "images")) as db:
        assert image_table.exact_sum(db, "sums0", "1") == sum(value + n for n in range(30))
