"""`listing:` reads what the usual tools write, and says which row it cannot read."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import sources
from beam_pipelines.rows import SourceImage
from headrace.errors import UserError
from input import stream
from input.dataset import dataset_dir
from input.dataset.reader import Reader
from input.preprocessing.spec import Preprocessing
from input.sampling.order import Order
from tests.beam_pipelines.jobs import list_images, prepare, stored_records
from tests.conftest import assert_one_line_error, run_program, write_images

ROWS = [
    ("cat/000.png", "cat", "train", "a", "1.5"),
    ("cat/001.png", "cat", "test", "b", ""),
    ("dog/000.png", "dog", "val", "", "0"),
]
MEANT = [
    SourceImage("cat/000.png", "cat", "train", "a", 1.5),
    SourceImage("cat/001.png", "cat", "test", "b", None),
    SourceImage("dog/000.png", "dog", "validation", None, 0.0),
]
COLUMNS = ("path", "label", "split", "group", "weight")


def write(folder, name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return f"listing:{folder / name}"


def table(rows, delimiter=",", header=COLUMNS, newline="\n"):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerows([header, *rows] if header else rows)
    return text.getvalue()


def objects():
    typed: list[dict] = [{**dict(zip(COLUMNS, row, strict=True)), "more": [1]} for row in ROWS]
    typed[0]["weight"], typed[2]["weight"], typed[2]["group"] = 1.5, 0, None
    return typed


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.csv", table(ROWS), "utf-8"),
        ("a.csv", table(ROWS), "utf-8-sig"),
        ("a.csv", table(ROWS, newline="\r\n"), "utf-8"),
        ("a.csv", table(ROWS, newline="\n\n"), "utf-8"),
        ("a.csv", table(ROWS, header=None), "utf-8"),
        ("a.csv", table(ROWS, header=[" Path", "LABEL ", "Split", "group", "weight"]), "utf-8"),
        ("a.csv", table([r[::-1] for r in ROWS], header=COLUMNS[::-1]), "utf-8"),
        ("a.csv", table([(7, *r) for r in ROWS], header=("number", *COLUMNS)), "utf-8"),
        ("A.CSV", table([[f" {cell} " for cell in r] for r in ROWS]), "utf-8"),
        ("a.csv", table([(*r, "", "") for r in ROWS], header=None), "utf-8"),
        ("a.tsv", table(ROWS, "\t"), "utf-8"),
        ("a.json", json.dumps(objects()), "utf-8"),
        ("a.json", json.dumps(objects(), indent=1), "utf-8-sig"),
        ("a.jsonl", "".join(json.dumps(row) + "\r\n\r\n" for row in objects()), "utf-8"),
        ("a.ndjson", "\n".join(map(json.dumps, objects())), "utf-8"),
    ],
)
def test_each_format_says_the_same(tmp_path, name, text, encoding):
    assert list_images(write(tmp_path, name, text, encoding)) == MEANT


odd_text = st.text(
    st.one_of(
        st.sampled_from(",\"' #%\t;\\é日🐈?*[]"),
        st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
    ),
    min_size=1,
    max_size=20,
).filter(lambda text: text == text.strip())


@given(st.lists(st.tuples(odd_text, odd_text), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60)
@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl"])
def test_odd_paths_and_labels_come_back_as_they_were_written(
    tmp_path_factory, ending, rows, header
):
    if ending in ("csv", "tsv"):
        text = table(rows, "," if ending == "csv" else "\t", COLUMNS[:2])
    else:
        found = [{"path": path, "label": label} for path, label in rows]
        ascii_only = header  # written with escapes or without
        lines = [json.dumps(row, ensure_ascii=ascii_only) for row in found]
        text = "\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]"
    spec = write(tmp_path_factory.mktemp("odd"), f"a.{ending}", text)
    assert [(row.path, row.label) for row in list_images(spec)] == rows


def test_json_keeps_spaces_around_a_path(tmp_path):
    spec = write(tmp_path, "a.json", json.dumps([{"path": " a.png ", "label": "cat"}]))
    assert list_images(spec)[0].path == " a.png "


def test_a_number_may_be_a_label(tmp_path):
    spec = write(tmp_path, "a.jsonl", '{"path": "a.png", "label": 7}')
    assert list_images(spec)[0].label == "7"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,labels\na.png, dog |cat|dog\nb.png,\nc.png,cat\n"),
        ("a.tsv", "Labels\tpath\ndog|cat\ta.png\n\tb.png\ncat\tc.png\n"),
        (
            "a.json",
            '[{"path": "a.png", "label": ["dog", "cat", "dog"]}, {"path": "b.png", "label": []},'
            '{"path": "c.png", "label": ["cat"]}]',
        ),
        (
            "a.jsonl",
            '{"path": "a.png", "labels": "dog|cat"}\n{"path": "b.png", "labels": ""}\n'
            '{"path": "c.png", "labels": ["cat"]}',
        ),
    ],
)
def test_an_image_may_have_several_labels_or_none(tmp_path, name, text):
    assert list_images(write(tmp_path, name, text)) == [
        SourceImage("a.png", ["cat", "dog"]),
        SourceImage("b.png", []),
        SourceImage("c.png", ["cat"]),
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "path,label\na.png,cat\nb.png,\n", "row 3: it has no label"),
        ("a.csv", "path,label\n,cat\n", "row 2: it has no path"),
        ("a.csv", "path,label\nb.png\n", "row 2: it has no label"),
        ("a.csv", "path,label,weight\na.png,cat,heavy\n", "row 2: weight 'heavy'"),
        ("a.csv", "path,label,weight\na.png,cat,-1\n", "weight '-1'"),
        ("a.csv", "path,label,weight\na.png,cat,nan\n", "weight 'nan'"),
        ("a.csv", "path,label,weight\na.png,cat,inf\n", "weight 'inf'"),
        ("a.csv", "path,label,split\na.png,cat,my train\n", "split 'my train'"),
        ("a.csv", "path,label,split\na.png,cat,../x\n", "split '../x'"),
        ("a.csv", "path,label,split\na.png,cat,all\n", "split 'all'"),
        ("a.csv", "filename,label\na.png,cat\n", "first row is filename, label; a header names"),
        ("a.csv", "path,class\na.png,cat\n", "first row is path, class; a header names"),
        ("a.csv", "path,label,label\na.png,cat,1\n", "a header names path and label, once each"),
        ("a.csv", "path,label\na,b.png,cat\n", "row 2 has 3 cells for 2 columns; put quotation"),
        ("a.csv", 'path,label\na.png,"cat\nb.png,dog\n', "unexpected end of data"),
        ("a.csv", "path,label\na.png,c\xe9t\n", "cannot be read"),
        ("a.json", '{"path": "a.png", "label": "cat"}', "expected a list of objects"),
        ("a.json", '["a.png"]', "row 1 is no object"),
        ("a.json", "[", "cannot be read"),
        ("a.jsonl", '{"path": "a.png", "label": "cat"}\n{', "cannot be read"),
        ("a.jsonl", '{"path": "a.png"}', "row 1: it has no label"),
        ("a.jsonl", '{"path": "a.png", "label": {"a": 1}}', r"row 1: its label is \{'a': 1\}"),
        ("a.csv", "path,label,labels\na.png,cat,\n", "row 1, its header, names both label and"),
        ("a.csv", "labels,group\na,1\n", "a header names path and label"),
        ("a.csv", "path,labels\na.png,cat\nb.png\n", "row 3: it has no label"),
        ("a.csv", "path,labels\na.png,cat||dog\n", "row 2: one of its labels is empty"),
        ("a.jsonl", '{"path": "a.png", "label": ["cat", ""]}', "one of its labels is empty"),
        ("a.jsonl", '{"path": "a.png", "labels": [["cat"]]}', r"its labels are \[\['cat'\]\], exp"),
        ("a.jsonl", '{"path": "a.png", "labels": 7}', "its labels are 7, expected a list"),
        ("a.jsonl", '{"path": "a.png", "label": "cat", "labels": []}', "row 1: it has both label"),
        (
            "a.jsonl",
            '{"path": "a.png", "label": ["cat"]}\n{"path": "b.png", "label": "cat"}',
            "row 2: it has one label, and the rows before it have a list of labels; write all",
        ),
        (
            "a.json",
            '[{"path": "a.png", "label": "cat"}, {"path": "b.png", "labels": "cat|dog"}]',
            "row 2: it has a list of labels, and the rows before it have one label",
        ),
        ("a.jsonl", '{"path": "a.png", "label": "cat", "weight": true}', "weight 'True'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, name, text, words):
    with pytest.raises(UserError, match=words):
        list_images(write(tmp_path, name, text, "latin-1"))


def test_a_listing_that_is_none_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for path, words in {
        "a.txt": "ends in .csv, .tsv, .json or .jsonl",
        "missing.csv": "does not exist",
        "folder.csv": "cannot be read",
    }.items():
        with pytest.raises(UserError, match=words):
            list_images(f"listing:{tmp_path / path}")


@pytest.fixture
def photos(tmp_path):
    write_images(tmp_path / "photos", {"dark, very": 6, "light": 6})
    return tmp_path / "photos"


def rows_of(photos, **columns):
    paths = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    return [(path, path.split("/")[0], *(column(i) for column in columns.values()))
            for i, path in enumerate(paths)]  # fmt: skip


def test_relative_and_full_paths_are_found(photos, tmp_path):
    rows = [(path, label) for path, label in rows_of(photos)]
    rows[::2] = [(f"{photos}/{path}", label) for path, label in rows[::2]]
    card = prepare(write(photos, "a.csv", table(rows, header=None)), tmp_path / "data")
    assert card.classes == ["dark, very", "light"]
    found = stored_records(tmp_path / "data")
    assert {path: row["label"] for path, row in found.items()} == dict(rows)


def test_splits_groups_and_weights_reach_the_records(photos, tmp_path):
    rows = rows_of(
        photos,
        split=lambda i: "test" if i % 3 == 0 else "",
        group=lambda i: "" if i % 3 == 0 else f"patient {i // 6}-{i % 6 // 3}",
        weight=lambda i: "" if i == 1 else f"{i / 4}",
    )
    spec = write(photos, "a.csv", table(rows))
    prepare(spec, tmp_path / "data", splits="train:0.5,validation:0.5")
    found = stored_records(tmp_path / "data")
    groups: dict[str, set] = {}
    for number, (path, label, split, group, _) in enumerate(rows):
        row = found[path]
        assert row["label"] == label
        assert row["weight"] == (1 if number == 1 else number / 4)
        assert (row["split"] == "test") == (split == "test")
        groups.setdefault(group, set()).add(row["split"])
    assert len(groups) == 5
    assert all(len(splits) == 1 for splits in groups.values())
    assert {row["split"] for row in found.values()} == {"train", "validation", "test"}


def test_weights_come_with_training_batches_where_a_source_gave_them(photos, tmp_path):
    rows = rows_of(photos, split=lambda i: "", group=lambda i: "", weight=lambda i: i / 4)
    for name, header in {"weighted": COLUMNS, "plain": (*COLUMNS[:4], "number")}.items():
        spec = write(photos, f"{name}.csv", table(rows, header=header))
        card = prepare(spec, tmp_path / name, splits="train:1", encoding="raw")
        assert card.weighted == (name == "weighted")
        reader = Reader(str(tmp_path / name), card, "train")
        batches = stream.training(reader, Order(12, 12, 1, seed=0), Preprocessing((8, 8)))
        batch = next(batches.as_numpy_iterator())
        if not card.weighted:
            assert "weight" not in batch
            continue
        found = stored_records(tmp_path / name)
        assert batch["weight"].dtype == np.float32
        assert sorted(batch["weight"]) == sorted(row["weight"] for row in found.values())
        assert (batch["label"] == (batch["weight"] >= 1.5)).all()  # each with its own image


def test_a_file_that_is_missing_is_quarantined(photos, tmp_path):
    rows = [*rows_of(photos), ("gone.png", "light"), ("nul\0.png", "light")]
    spec = write(photos, "a.json", json.dumps([{"path": p, "label": label} for p, label in rows]))
    card = prepare(spec, tmp_path / "data", max_bad_fraction=0.2)
    quarantine = (tmp_path / "data" / dataset_dir.QUARANTINE).read_text().splitlines()
    found = {row["path"]: row["reason"] for row in map(json.loads, quarantine)}
    assert found == {"gone.png": "unreadable", "nul\0.png": "unreadable"}
    assert (card.source["images"], len(stored_records(tmp_path / "data"))) == (14, 12)


@pytest.mark.parametrize("label", ["light", "dark"])
def test_a_path_that_is_listed_twice_ends_in_one_line(photos, tmp_path, label):
    spec = write(photos, "a.csv", table([*rows_of(photos), ("light/003.png", label)]))
    with pytest.raises(UserError, match=r"lists light/003\.png more than once"):
        prepare(spec, tmp_path / "data")
    assert not (tmp_path / "data/card.json").exists()


def test_no_image_one_class_or_another_number_of_classes_is_refused(photos, tmp_path):
    rows = rows_of(photos)
    for number, (lines, classes, words) in enumerate([
        ([], None, "has no image"),
        (rows[:6], None, "has one class only, 'dark, very'"),
        (rows, 3, r"has 2 classes \('dark, very', 'light'\), `num_classes` says 3"),
    ]):  # fmt: skip
        spec = write(photos, f"{number}.csv", table(lines, header=COLUMNS[:2]))
        with pytest.raises(UserError, match=words):
            prepare(spec, tmp_path / "data", num_classes=classes)
        assert not (tmp_path / "data").exists()


def test_the_program_ends_in_one_line(photos, tmp_path):
    spec = write(photos, "a.csv", "path,label\na.png\n")
    finished = run_program(
        "beam_pipelines.prepare", f"--source={spec}", f"--output_dir={tmp_path / 'data'}"
    )
    assert_one_line_error(finished, 1, "a.csv", "row 2", "no label")


def test_the_listing_itself_is_not_held_in_memory(photos):
    found = sources.read(write(photos, "a.csv", "path,label\na.png,cat\nb.png\n"), "").list_files()
    assert next(found).path == "a.png"  # before the next row, which is wrong, was read
