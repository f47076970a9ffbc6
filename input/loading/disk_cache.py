"""A folder of NumPy files that is written once and mapped into memory by all who need it.

    kinds = {"label": ((1000,), np.int64)}
    arrays = disk_cache.load(folder, kinds) or disk_cache.write(folder, kinds, fill, usable)
    arrays["label"]        # int64 [1000], of `label.npy`

It is written under another name and renamed when it is whole, see `headrace.atomic`.
"""

import contextlib
import errno
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from headrace import atomic

Arrays = dict[str, np.ndarray]
Kinds = dict[str, tuple[tuple[int, ...], type]]

_NAME = re.compile(r".+-[0-9a-f]{16}")


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
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.staging_dir(str(folder)) as staging:
        files = {
            name: _allocate(pathlib.Path(staging, f"{name}.npy"), *kind)
            for name, kind in kinds.items()
        }
        fill({**files})
        for file in files.values():
            file.flush()
        while True:
            try:
                os.rename(staging, folder)
                return {**files}
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            found = load(folder, kinds)
            if found and usable(found):
                return found
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                atomic.remove_dir(str(folder))


def remove_abandoned(parent: pathlib.Path) -> None:
    """Remove the unfinished folders below `parent` that no living process is writing."""
    with contextlib.suppress(OSError):  # it is not there, or not to be read
        atomic.remove_abandoned(str(parent), _NAME)


def _allocate(path: pathlib.Path, shape: tuple[int, ...], kind: type) -> np.memmap:
    """Make a file of its full size: writing to a mapped file on a full disk ends the process."""
    values = np.lib.format.open_memmap(path, "w+", kind, shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return values
