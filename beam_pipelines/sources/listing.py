"""`listing:FILE`: a table of path and label, and perhaps split, group and weight.

    path,label,split,group,weight        CSV; .tsv is the same with tabs
    scans/1.png,benign,train,patient7,1.0

A first row that names `path` and `label` is a header, in any order and among other columns; else
the columns come in the order above. `.json` holds a list of objects, `.jsonl` an object per line.
Paths are relative to the listing's folder, or full.
"""

import csv
import io
import math
import re
from collections.abc import Iterator

import orjson
from apache_beam.io.filesystems import FileSystems

from beam_pipelines.sources.source import Listed, Source
from headrace import UserError

_COLUMNS = ("path", "label", "split", "group", "weight")
_SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}


def read(path: str) -> Source:
    """Opens a listing; its format is told by its name's ending.

    Raises:
        UserError: the ending is none of those, or the file is missing. While listing: a row has no
            path or label, or a weight that is no positive number.
    """
    root, _, name = path.rpartition("/")
    ending = name.rpartition(".")[2].lower()
    parse = {"csv": _csv, "tsv": _tsv, "json": _json, "jsonl": _jsonl, "ndjson": _jsonl}.get(ending)
    if parse is None:
        raise UserError(f"{path}: a listing's name ends in .csv, .tsv, .json or .jsonl")
    if not FileSystems.exists(path):
        raise UserError(f"{path} does not exist; check --source")

    def list_files() -> Iterator[Listed]:
        with FileSystems.open(path, "application/octet-stream") as file:
            text = io.TextIOWrapper(file, "utf-8-sig", newline="")
            try:
                for number, row in parse(text):
                    yield _listed(path, number, row)
            except (UnicodeDecodeError, orjson.JSONDecodeError, csv.Error) as error:
                raise UserError(f"{path} cannot be read: {error}") from None

    return Source(root, list_files)


def _listed(listing: str, number: int, row: dict) -> Listed:
    values = {name: str(row[name]).strip() for name in _COLUMNS if row.get(name) is not None}
    missing = [name for name in ("path", "label") if not values.get(name)]
    if missing:
        raise UserError(f"{listing}, row {number}: it has no {missing[0]}")
    split = values.get("split", "").lower()
    if split and not re.fullmatch(r"[a-z]\w*", split, re.ASCII):
        raise UserError(f"{listing}, row {number}: split {split!r} is no plain word")
    return Listed(
        values["path"],
        values["label"],
        _SPLITS.get(split, split) or None,
        values.get("group") or None,
        _weight(listing, number, values.get("weight")),
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
    header = None
    for number, row in enumerate(csv.reader(text, delimiter=delimiter), 1):
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            names = [cell.strip().lower() for cell in row]
            named = {"path", "label"} <= set(names)
            header = names if named else _COLUMNS
            if named:
                continue
        yield number, dict(zip(header, row, strict=False))


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
