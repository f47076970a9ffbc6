"""Walks through folders, local or remote, one directory at a time."""

from collections.abc import Iterator

from headrace import files
from headrace.errors import UserError

_NOT_IMAGES = {"thumbs.db", "desktop.ini"}


def walk(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does, following links, for any path; folders and files are sorted.

    Hidden files and what file managers leave behind are no images, and no mistake either.

    Raises:
        UserError: while walking, a folder cannot be listed. It may not be passed over, or images
            would be missing unnoticed.
    """
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        folders, names = _list(directory)
        if directory == root and not (folders or names) and "://" in root:
            raise UserError(f"{root} is no folder, or an empty one; check `source`")
        folders = sorted(name for name in folders if not name.startswith("."))
        yield directory, folders, sorted(name for name in names if _counts(name))
        waiting += [f"{directory}/{name}" for name in reversed(folders)]


def files_below(root: str, folder: str = "") -> Iterator[str]:
    """Yield paths, below `root` and with `/`, of all files in one of its folders, at any depth."""
    top = f"{root}/{folder}" if folder else root
    for directory, _, names in walk(top):
        inside = f"{folder}{directory[len(top) :]}".lstrip("/")
        for name in names:
            yield f"{inside}/{name}" if inside else name


def _list(directory: str) -> tuple[list[str], list[str]]:
    try:
        return files.listing(directory)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{directory} is no folder; check `source`") from None
    except OSError as error:
        raise UserError(
            f"{directory} cannot be listed ({error.strerror}); check `source`"
        ) from None


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_IMAGES
