"""Walks through folders, local or remote, one directory at a time."""

import os
from collections.abc import Iterator

from headrace import UserError

_NOT_IMAGES = {"thumbs.db", "desktop.ini"}


def walk(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, following links, for any path; folders and files sorted, unwanted left out.

    Hidden files and what file managers leave behind are no images, and no mistake either.

    Raises:
        UserError: while walking, a folder cannot be listed.
    """
    if "://" not in root:
        found = os.walk(root, followlinks=True, onerror=_refuse)
    else:
        import tensorflow as tf  # takes seconds, and only remote sources need it

        found = tf.io.gfile.walk(root)
    for directory, folders, files in found:
        folders[:] = sorted(name.rstrip("/") for name in folders if not name.startswith("."))
        yield directory.rstrip("/"), folders, sorted(name for name in files if _counts(name))


def files_below(root: str, folder: str = "") -> Iterator[str]:
    """Paths, below `root` and with `/`, of all files in one of its folders, at any depth."""
    top = f"{root}/{folder}" if folder else root
    for directory, _, names in walk(top):
        inside = f"{folder}{directory[len(top) :].replace(os.sep, '/')}".lstrip("/")
        for name in names:
            yield f"{inside}/{name}" if inside else name


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_IMAGES


def _refuse(error: OSError) -> None:
    # os.walk by itself passes over what it cannot list, and images would be missing unnoticed.
    absent = isinstance(error, FileNotFoundError | NotADirectoryError)
    reason = "is no folder" if absent else f"cannot be listed ({error.strerror})"
    raise UserError(f"{error.filename} {reason}; check --source")
