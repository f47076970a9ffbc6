"""The one way to files, local or `gs://`: the same for workers, driver and trainer.

What is to be there in full or not at all is written by `write_atomic`, or by `headrace.atomic`.
"""

import fnmatch
import os
import pathlib
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import orjson

from headrace.errors import UsageError


def join(folder: str, name: str) -> str:
    """Return the path of a file in a folder; `name` may itself be a full path."""
    if os.path.isabs(name) or "://" in name:
        return name
    return f"{folder}/{name}"


def expand(path: str) -> str:
    """Return a path with the home folder in place of a leading `~` or `~user`, as a shell does.

    A path on a cloud has no slash at its end: there the same name with two is another.
    """
    return path.rstrip("/") if "://" in path else os.path.expanduser(path)


def absolute(path: str) -> str:
    """Return a path that means the same in any folder, see `expand`."""
    return expand(path) if "://" in path else os.path.abspath(expand(path))


def check(path: str, flag: str) -> None:
    """Make sure that files of this path can be opened at all.

    Raises:
        UsageError: it is neither local nor on Google Cloud Storage.
    """
    if "://" in path and not re.match("gs://[^/]", path):
        raise UsageError(f"--{flag}={path}: expected a local path, or gs://BUCKET/NAME")


def read(path: str, offset: int = 0, length: int = -1) -> bytes:
    """Return the bytes of a file, or `length` of them from `offset`.

    Raises:
        OSError: it cannot be read.
    """
    if is_remote(path):
        return _gcs().read(path, offset, length)
    with open(path, "rb") as file:
        if offset:
            file.seek(offset)
        return file.read() if length < 0 else file.read(length)


def open_read(path: str) -> BinaryIO:
    """Open a file to read in any order, a part at a time.

    Raises:
        OSError: it cannot be read.
    """
    return _gcs().open_read(path) if is_remote(path) else open(path, "rb")


def open_write(path: str) -> BinaryIO:
    """Open a file to write from its beginning on; it may be there in part before it is closed."""
    return _gcs().open_write(path) if is_remote(path) else open(path, "wb")


def exists(path: str) -> bool:
    """Return whether there is a file, or local folder, of this path."""
    return _gcs().exists(path) if is_remote(path) else os.path.exists(path)


def size(path: str) -> int:
    """Return how many bytes a file has; 0 if it is not there."""
    try:
        return _gcs().size(path) if is_remote(path) else os.path.getsize(path)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return 0


def write_atomic(path: str, content: bytes) -> None:
    """Write a file, so that it is there in full or not at all."""
    if is_remote(path):
        _gcs().write(path, content)
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.tmp")
    pathlib.Path(temporary).write_bytes(content)
    os.replace(temporary, path)


def append(path: str, content: bytes) -> None:
    """Write at the end of a file; one in a bucket is written anew with it, as it cannot grow."""
    if is_remote(path):
        write_atomic(path, (read(path) if exists(path) else b"") + content)
        return
    with open(path, "ab") as file:
        file.write(content)


def replace(temporary: str, path: str) -> None:
    """Rename a file, over one that is there."""
    if is_remote(path):
        _gcs().rename(temporary, path)
    else:
        os.replace(temporary, path)


def listing(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files directly in a folder, in any order.

    Raises:
        OSError: it cannot be listed. A remote folder that is not there is an empty one.
    """
    if is_remote(folder):
        return _gcs().listing(folder)
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.is_dir()) for entry in found]
    folders = [name for name, is_folder in entries if is_folder]
    return folders, [name for name, is_folder in entries if not is_folder]


def sizes(folder: str) -> dict[str, int]:
    """Return the names and sizes, in bytes, of the files directly in a folder.

    Raises:
        OSError: it cannot be listed.
    """
    if is_remote(folder):
        return _gcs().sizes(folder)
    with os.scandir(folder) as found:
        return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}


def matching(folder: str, pattern: str) -> list[str]:
    """Return the paths of the files in `folder` whose names match, sorted."""
    return [f"{folder}/{name}" for name in sorted(fnmatch.filter(listing(folder)[1], pattern))]


def make_folder(folder: str) -> None:
    """Make a folder, and those above it; one that is there is left as it is."""
    if is_remote(folder):
        _gcs().make_folder(folder)
    else:
        os.makedirs(folder, exist_ok=True)


def remove(paths: list[str]) -> None:
    """Remove files that may be there or not, all in one place."""
    if paths and is_remote(paths[0]):
        _gcs().remove(paths)
        return
    for path in paths:
        pathlib.Path(path).unlink(missing_ok=True)


def remove_tree(folder: str) -> None:
    """Remove a folder and all that is in it."""
    if is_remote(folder):
        _gcs().remove_tree(folder)
    else:
        shutil.rmtree(folder)


def read_rows(path: str) -> Iterator:
    """Yield the rows of a file of JSON lines, one by one."""
    for line in read(path).splitlines():
        yield orjson.loads(line)


def write_rows(path: str, rows: Iterable) -> None:
    """Write JSON lines; a row is a dataclass or anything else that JSON holds."""
    write_atomic(path, json_lines(rows))


def json_lines(rows: Iterable) -> bytes:
    """Return rows as JSON lines."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def is_remote(path: str) -> bool:
    """Return whether a path is on Google Cloud Storage.

    Raises:
        OSError: it is neither there nor local.
    """
    if "://" not in path:
        return False
    if not path.startswith("gs://"):
        raise OSError(f"{path} is neither local nor gs://")
    return True


def _gcs():
    from headrace import gcs  # takes a second, and only remote files need it

    return gcs
