"""The rows of a job: what the image table holds of an image, and what the writers take from it."""

import dataclasses
import sqlite3
import typing

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import rows
from beam_pipelines.rows import RejectedFile, ScannedImage, ShardRecord, SourceImage
from headrace import files
from tests.beam_pipelines.scanned_images import scanned_image

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)


VALUES = {
    str: texts,
    str | None: st.none() | texts,
    str | list[str]: texts | st.lists(texts, max_size=3),
    int: integers,
    bool: st.booleans(),
    float | None: st.none() | floats,
}


@st.composite
def scanned_images(draw) -> ScannedImage:
    """Any image that a table may hold, grey or RGB."""
    channels = draw(st.sampled_from([1, 3]))
    sums = st.lists(integers, min_size=channels, max_size=channels)
    values = {
        field.name: sums if field.type == list[int] else VALUES[typing.cast(type, field.type)]
        for field in dataclasses.fields(ScannedImage)
    }
    return dataclasses.replace(draw(st.builds(ScannedImage, **values)), channels=channels)


def columns_of(image: ScannedImage, label: int) -> dict[str, object]:
    return dict(zip(rows.table_columns(), rows.table_values(image, label), strict=True))


@given(scanned_images(), st.integers(0, 10**6))
@settings(max_examples=60)
def test_values_stand_in_the_order_of_the_columns(image, label):
    columns = columns_of(image, label)
    for field in dataclasses.fields(image):
        if field.name not in ("sums", "squares", "label"):
            assert columns.pop(field.name) == getattr(image, field.name)
    assert columns.pop("label") == label
    assert columns == {
        f"{name}{channel}": values[channel % image.channels]
        for name, values in (("sums", image.sums), ("squares", image.squares))
        for channel in range(3)
    }


@given(scanned_images(), st.integers(0, 10**6))
@settings(max_examples=60)
def test_a_table_of_these_columns_gives_the_writers_what_they_need(image, label):
    db = sqlite3.connect(":memory:")
    columns = rows.table_columns()
    declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    db.execute(f"CREATE TABLE images ({declared})")
    values = tuple(rows.table_values(image, label))
    db.execute(f"INSERT INTO images VALUES ({', '.join('?' * len(columns))})", values)
    (row,) = db.execute(f"SELECT {rows.shard_columns()} FROM images")
    db.close()
    names = [field.name for field in dataclasses.fields(ShardRecord)]
    expected = {name: getattr(image, name) for name in names} | {"label": label}
    # On its way to a writer the row is a line of JSON.
    assert ShardRecord(*orjson.loads(orjson.dumps(row))) == ShardRecord(**expected)


def test_columns_have_the_type_of_their_field_and_a_class_is_its_index():
    columns = rows.table_columns()
    for name in ("path", "file", "digest", "content_hash", "source_split", "group_id"):
        assert columns[name] == "TEXT", name
    for name in ("label", "offset", "split_rank", "verbatim", "sums0", "sums2", "squares1"):
        assert columns[name] == "INTEGER", name
    assert columns["weight"] == "REAL"
    assert "sums" not in columns and "sums3" not in columns


def test_a_grey_image_counts_in_every_channel():
    image = dataclasses.replace(scanned_image(0, 0, 0), sums=[7], squares=[49])
    columns = columns_of(image, 0)
    assert [columns[f"sums{channel}"] for channel in range(3)] == [7, 7, 7]
    assert [columns[f"squares{channel}"] for channel in range(3)] == [49, 49, 49]


@given(
    st.one_of(
        st.builds(SourceImage, weight=st.none() | floats, path=texts, label=texts),
        st.builds(RejectedFile, texts, texts, texts),
        scanned_images(),
    )
)
@settings(max_examples=60)
def test_a_row_comes_back_from_its_line_of_json(row):
    (line,) = files.json_lines([row]).splitlines()
    assert type(row)(**orjson.loads(line)) == row
