"""A folder of NumPy files that is written once and mapped into memory by all who need it.

    kinds = {"label": ((1000,), np.int64)}
    arrays = disk_cache.load(folder, kinds) or disk_cache.write(folder, kinds, fill, usable)
    arrays["label"]        # int64 [1000], of `label.npy`

It is written under another name and renamed when it is whole; the writer holds a lock on it, so
what a killed process left behind is told from what a living one is writing.
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import re
import shutil
import uuid
from collections.abc import Callable, Iterator

import numpy as np

Arrays = dict[str, np.ndarray]
Kinds = dict[str, tuple[tuple[int, ...], type]]

# The name of a folder that is being written, or was when its process was killed.
_STAGING = re.compile(r"\..+-[0-9a-f]{16}\.[0-9a-f]{32}")


def load(folder: pathlib.Path, kinds: Kinds) -> Arrays | None:
    """Map the files of a folder into memory.

    Args:
        folder: folder of the files.
        kinds: shape and type of each array, by name.

    Returns:
        Its arrays by name; None where one is not there or is not of its kind.
    """
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in kinds}
    except (OSError, ValueError, EOFError):  # none yet, or not as they were written
        return None
    whole = all((arrays[name].shape, arrays[name].dtype) == kind for name, kind in kinds.items())
    return arrays if whole else None


def write(
    folder: pathlib.Path,
    kinds: Kinds,
    fill: Callable[[Arrays], None],
    usable: Callable[[Arrays], bool],
) -> Arrays:
    """Write the files of a folder; in place of what is there, unless another process was faster.

    Args:
        folder: folder of the files, named `NAME-` and 16 hexadecimal digits.
        kinds: shape and type of each array, by name.
        fill: function that gives arrays their values.
        usable: function that says whether arrays that are there will do.

    Returns:
        The arrays by name, mapped into memory.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    with _staging(folder) as staging:
        files = {name: _allocate(staging / f"{name}.npy", *kind) for name, kind in kinds.items()}
        fill({**files})
        for file in files.values():
            file.flush()
        while True:
            try:
                staging.rename(folder)
                return {**files}
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            found = load(folder, kinds)
            if found and usable(found):
                return found
            _remove(folder)


def remove_abandoned(parent: pathlib.Path) -> None:
    """Remove the unfinished folders below `parent` that no living process is writing."""
    for path in parent.glob(".*"):
        if not _STAGING.fullmatch(path.name):
            continue
        with contextlib.suppress(OSError):  # gone, being written, or on a disk without locks
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _staging_path(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")


@contextlib.contextmanager
def _staging(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Make a folder beside `folder`, held by a lock; in the end remove it if it is still there."""
    while True:
        path = _staging_path(folder)
        path.mkdir(parents=True)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a network's disk without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                break
            # Another process took it for abandoned before it was locked.
            os.close(descriptor)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _remove(folder: pathlib.Path) -> None:
    """Take a folder away at once, so that nobody reads half of it, and then remove it."""
    path = _staging_path(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(path)
    shutil.rmtree(path, ignore_errors=True)


def _allocate(path: pathlib.Path, shape: tuple[int, ...], kind: type) -> np.memmap:
    """Make a file of its full size: writing to a mapped file on a full disk ends the process."""
    values = np.lib.format.open_memmap(path, "w+", kind, shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return values
