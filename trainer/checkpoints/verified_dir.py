"""Folders of files that are there complete or not at all, and that show it when they are damaged.

    verified_dir.write("checkpoints/step-00000100", write_files, {"step": 100})
    with verified_dir.open_verified("checkpoints/step-00000100") as (folder, about):
        …                              # the files in `folder` are, byte for byte, what was written

`manifest.json` has the size and SHA-256 of every file, and what the writer says about them. On a
disk a folder is written under another name, flushed, then renamed. A bucket has no renaming of
folders: the manifest is uploaded last, and a folder without one is none.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping

from headrace import atomic, files

MANIFEST = "manifest.json"


class DamagedError(Exception):
    """What is in a folder is not what was written; the message says what is wrong."""


def write(folder: str, write_files: Callable[[str], None], about: dict[str, object]) -> None:
    """Make a folder, complete or not at all.

    Args:
        folder: its path, local or `gs://`; nothing may be there yet.
        write_files: function that is called with the path of a local folder, to write files to.
        about: what the manifest says about them, of values that JSON holds.

    Raises:
        OSError: it cannot be written.
    """
    with atomic.atomic_dir(folder, last=MANIFEST) as staging:
        write_files(staging)
        _write_manifest(staging, about)


def names(parent: str, pattern: re.Pattern) -> list[str]:
    """Return the names of such folders in a folder, in any order; damaged ones as well.

    Args:
        parent: folder that they are in; it need not be there.
        pattern: pattern that the complete name must match.
    """
    matches = [name for name in _folders(parent) if pattern.fullmatch(name)]
    if files.is_remote(parent):
        return [name for name in matches if _has_manifest(parent, name)]
    return matches


@contextlib.contextmanager
def open_verified(folder: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Give a local folder with the files of such a one, checked, and what its writer said of them.

    Raises:
        DamagedError: they are not what was written.
    """
    if not files.is_remote(folder):
        yield folder, _check(folder)
        return
    with tempfile.TemporaryDirectory() as copy:
        for name in files.listing(folder)[1]:
            with files.open_read(f"{folder}/{name}") as source, open(f"{copy}/{name}", "wb") as to:
                shutil.copyfileobj(source, to)
        yield copy, _check(copy)


def remove(folder: str) -> None:
    """Remove such a folder; when this is interrupted, what is left is not taken for one."""
    if files.is_remote(folder):
        files.remove([f"{folder}/{MANIFEST}"])
        files.remove_tree(folder)
        return
    atomic.remove_dir(folder)


def clean(parent: str, pattern: re.Pattern) -> None:
    """Remove what interrupted writing and removing left of folders with names that match.

    Nobody may be writing there now.
    """
    remote = files.is_remote(parent)
    for name in _folders(parent):
        unfinished = atomic.HIDDEN.fullmatch(name)
        if remote and pattern.fullmatch(name) and not _has_manifest(parent, name):
            files.remove_tree(f"{parent}/{name}")
        elif not remote and unfinished and pattern.fullmatch(unfinished[1]):
            shutil.rmtree(f"{parent}/{name}", ignore_errors=True)


def _folders(parent: str) -> list[str]:
    try:
        return files.listing(parent)[0]
    except FileNotFoundError:
        return []


def _has_manifest(parent: str, name: str) -> bool:
    return files.exists(f"{parent}/{name}/{MANIFEST}")


def _write_manifest(folder: str, about: dict[str, object]) -> None:
    sums = {name: _measure(f"{folder}/{name}", flush=True) for name in sorted(os.listdir(folder))}
    with open(f"{folder}/{MANIFEST}", "w") as file:
        file.write(_manifest(about, sums))
    atomic.flush(f"{folder}/{MANIFEST}")
    atomic.flush(folder)


def _manifest(about: dict[str, object], sums: Mapping[str, object]) -> str:
    """Return JSON; its own hash is in it, so that not even what it says of the files can change."""
    digest = hashlib.sha256(json.dumps([about, sums]).encode()).hexdigest()
    return json.dumps({"about": about, "files": sums, "sha256": digest}, indent=2) + "\n"


def _check(folder: str) -> dict[str, object]:
    try:
        with open(f"{folder}/{MANIFEST}") as file:
            text = file.read()
        manifest = json.loads(text)
        complete = text == _manifest(manifest["about"], manifest["files"])
    except FileNotFoundError:
        raise DamagedError(f"it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise DamagedError(f"its {MANIFEST} is damaged")
    for name, entry in manifest["files"].items():
        try:
            actual = _measure(f"{folder}/{name}")
        except OSError as error:
            raise DamagedError(f"its file {name} cannot be read: {error.strerror}") from None
        if actual["bytes"] != entry["bytes"]:
            raise DamagedError(
                f"its file {name} has {actual['bytes']:,} bytes of {entry['bytes']:,}"
            )
        if actual != entry:
            raise DamagedError(f"its file {name} has changed since it was written")
    return manifest["about"]


def _measure(path: str, flush: bool = False) -> dict[str, object]:
    """Return size and SHA-256 of a file; with `flush`, bring it to the disk first."""
    with open(path, "rb") as file:
        if flush:
            os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
