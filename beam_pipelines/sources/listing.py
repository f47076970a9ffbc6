"""`listing:FILE`: a table of path and label, and perhaps split, group and weight.

    path,label,split,group,weight        CSV; .tsv is the same with tabs
    scans/1.png,benign,train,patient7,1.0

A first row that names `path` and `label` is a header, in any order and among other columns; else
the columns come in the order above. `.json` holds a list of objects, `.jsonl` an object per line.
Paths are relative to the listing's folder, or full. Spaces around a CSV cell do not count.

With a column `labels` in place of `label` an image has any number of classes, here two and none:

    path,labels
    scans/1.png,effusion|mass
    scans/2.png,

In JSON `labels` is such a text or a list of names; a list may be called `label` as well.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence

import orjson

from beam_pipelines.planning import split_shares
from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UserError

_COLUMNS = ("path", "label", "split", "group", "weight")
_SEVERAL, _SEPARATOR = "labels", "|"
_SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}


def read(path: str) -> Source:
    """Open a listing; its format is told by its name's ending.

    Raises:
        UserError: the ending is none of those, or the file is missing. While listing: it is not
            what its ending says, a row has no path or label, more cells than there are columns,
            a weight that is no number of 0 or more, or one class where others have a list.
    """
    root, _, name = path.rpartition("/")
    ending = name.rpartition(".")[2].lower()
    parse = {"csv": _csv, "tsv": _tsv, "json": _json, "jsonl": _jsonl, "ndjson": _jsonl}.get(ending)
    if parse is None:
        raise UserError(f"{path}: a listing's name ends in .csv, .tsv, .json or .jsonl")
    if not files.exists(path):
        raise UserError(f"{path} does not exist; check `source`")

    def list_files() -> Iterator[SourceImage]:
        try:
            with files.open_read(path) as file:
                text = io.TextIOWrapper(file, "utf-8-sig", newline="")
                first = None
                for number, row in parse(text):
                    image = _image(path, number, row)
                    first = first or image
                    _check_same_kind(path, number, image, first)
                    yield image
        except (OSError, UnicodeDecodeError, orjson.JSONDecodeError, csv.Error) as error:
            raise UserError(f"{path} cannot be read: {error}") from None

    return Source(root, list_files)


def _image(listing: str, number: int, row: dict) -> SourceImage:
    values = {name: row[name] for name in _COLUMNS if row.get(name) is not None}
    names = _names(listing, number, row)
    if names is not None:
        values.pop("label", None)
    for name, value in values.items():
        if isinstance(value, dict | list):
            raise UserError(f"{listing}, row {number}: its {name} is {value}, expected a text")
    values = {name: str(value) for name, value in values.items()}
    required = ("path", "label") if names is None else ("path",)
    missing = [name for name in required if not values.get(name)]
    if missing:
        raise UserError(f"{listing}, row {number}: it has no {missing[0]}")
    split = values.get("split", "").lower()
    if split and not (split.isascii() and split_shares.is_name(split)):
        raise UserError(
            f"{listing}, row {number}: split {split!r} is no name for a split; use a plain word, "
            "not 'all'"
        )
    return SourceImage(
        values["path"],
        values["label"] if names is None else names,
        _SPLITS.get(split, split) or None,
        values.get("group") or None,
        _weight(listing, number, values.get("weight")),
    )


def _names(listing: str, number: int, row: dict) -> list[str] | None:
    """Return the names of an image's classes, sorted; None where it has one, under `label`."""
    several, one = row.get(_SEVERAL), row.get("label")
    if several is None and not isinstance(one, list):
        return None
    if several is not None and one is not None:
        raise UserError(f"{listing}, row {number}: it has both label and labels; leave one out")
    given = one if several is None else several
    if isinstance(given, str):
        given = [name.strip() for name in given.split(_SEPARATOR)] if given.strip() else []
    if not isinstance(given, list) or any(isinstance(name, dict | list | None) for name in given):
        raise UserError(
            f"{listing}, row {number}: its labels are {given}, expected a list of names"
        )
    names = sorted({str(name) for name in given})
    if "" in names:
        raise UserError(f"{listing}, row {number}: one of its labels is empty; leave it out")
    return names


def _check_same_kind(listing: str, number: int, image: SourceImage, first: SourceImage) -> None:
    several = isinstance(image.label, list)
    if several != isinstance(first.label, list):
        kinds = ["one label", "a list of labels"]
        raise UserError(
            f"{listing}, row {number}: it has {kinds[several]}, and the rows before it have "
            f"{kinds[not several]}; write all of them as lists"
        )


def _weight(listing: str, number: int, text: str | None) -> float | None:
    if not text:
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise UserError(f"{listing}, row {number}: weight {text!r} is no number of 0 or more")
    return weight


def _csv(text: io.TextIOWrapper, delimiter: str = ",") -> Iterator[tuple[int, dict]]:
    header: Sequence[str] | None = None
    # Strict, or a quotation mark that is never closed takes in all rows that follow.
    for number, row in enumerate(csv.reader(text, delimiter=delimiter, strict=True), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if header is None:
            header = _header(cells)
            if header:
                continue
            header = _COLUMNS
        if any(cells[len(header) :]):
            raise csv.Error(
                f"row {number} has {len(cells)} cells for {len(header)} columns; put quotation "
                f"marks around a cell that holds {delimiter!r}"
            )
        yield number, dict(zip(header, cells, strict=False))


def _header(cells: list[str]) -> list[str]:
    """Return the names of the columns; empty if the first row is none of names."""
    names = [cell.lower() for cell in cells]
    known = [name for name in names if name in (*_COLUMNS, _SEVERAL)]
    if {"label", _SEVERAL} <= set(known):
        raise csv.Error("row 1, its header, names both label and labels; leave one column out")
    found = sorted(set(known) & {"path", "label", _SEVERAL})
    if known and (len(found) < 2 or len(set(known)) < len(known)):
        raise csv.Error(
            f"its first row is {', '.join(cells)}; a header names path and label, once each"
        )
    return names if known else []


def _tsv(text: io.TextIOWrapper) -> Iterator[tuple[int, dict]]:
    return _csv(text, "\t")


def _json(text: io.TextIOWrapper) -> Iterator[tuple[int, dict]]:
    rows = orjson.loads(text.read())
    if not isinstance(rows, list):
        raise csv.Error("expected a list of objects")
    return _objects(enumerate(rows, 1))


def _jsonl(text: io.TextIOWrapper) -> Iterator[tuple[int, dict]]:
    lines = ((number, line) for number, line in enumerate(text, 1) if line.strip())
    return _objects((number, orjson.loads(line)) for number, line in lines)


def _objects(rows: Iterator[tuple[int, object]]) -> Iterator[tuple[int, dict]]:
    for number, row in rows:
        if not isinstance(row, dict):
            raise csv.Error(f"row {number} is no object with path and label")
        yield number, row
