"""Files that workers and the driver share: whole or not there, on any of Beam's file systems."""

import fnmatch
import os
import threading
from collections.abc import Iterable, Iterator

import orjson
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

_MIME = "application/octet-stream"


def join(folder: str, name: str) -> str:
    """The path of a file in a folder; `name` may itself be a full path."""
    if os.path.isabs(name) or "://" in name:
        return name
    return f"{folder}/{name}"


def read(path: str, offset: int = 0, length: int = -1) -> bytes:
    """The bytes of a file, or `length` of them from `offset`.

    Raises:
        OSError: it cannot be read.
    """
    # Beam's own opening costs as much as reading a small file.
    with open(path, "rb") if "://" not in path else FileSystems.open(path, _MIME) as file:
        if offset:
            file.seek(offset)
        return file.read() if length < 0 else file.read(length)


def size(path: str) -> int:
    """Bytes of a file; 0 if it is not there."""
    try:
        return FileSystems.get_filesystem(path).size(path)
    except (OSError, BeamIOError):
        return 0


def write(path: str, content: bytes) -> None:
    """Writes a file, so that it is there in full or not at all."""
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}-{threading.get_ident()}.tmp"
    with FileSystems.create(temporary, _MIME) as file:
        file.write(content)
    replace(temporary, path)


def replace(temporary: str, path: str) -> None:
    """Renames a file, over one that is there."""
    if "://" not in path:
        os.replace(temporary, path)
        return
    if FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([temporary], [path])


def read_rows(path: str) -> Iterator:
    """The rows of a file of JSON lines, one by one."""
    for line in read(path).splitlines():
        yield orjson.loads(line)


def write_rows(path: str, rows: Iterable) -> None:
    """Writes JSON lines; a row is a dataclass or anything else that JSON holds."""
    write(path, json_lines(rows))


def json_lines(rows: Iterable) -> bytes:
    """Rows as JSON lines."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def matching(folder: str, pattern: str) -> list[str]:
    """Paths of the files in `folder` that match, sorted."""
    if "://" not in folder:  # Beam would take a bracket in the folder's name for a pattern
        return [f"{folder}/{name}" for name in sorted(fnmatch.filter(os.listdir(folder), pattern))]
    (match,) = FileSystems.match([FileSystems.join(folder, pattern)])
    return sorted(metadata.path for metadata in match.metadata_list)
