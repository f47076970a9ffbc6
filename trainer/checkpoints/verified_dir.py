"""Folders of files that are there whole or not at all, and that show it when they were damaged.

    sealed.write("checkpoints/step-00000100", fill, {"step": 100})
    with sealed.opened("checkpoints/step-00000100") as (folder, about):
        …                              # the files in `folder` are, byte for byte, what was sealed

A seal is `manifest.json`: the size and SHA-256 of every file, and what the writer says about them.
On a disk a folder is filled and sealed under another name, flushed, then renamed. A bucket has no
renaming of folders: the manifest is uploaded last, and a folder without one is none.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator

from headrace import atomic, files

MANIFEST = "manifest.json"


class DamagedError(Exception):
    """What is in a folder is not what was sealed; the message says what is wrong."""


def write(folder: str, fill: Callable[[str], None], about: dict[str, object]) -> None:
    """Makes a folder, whole or not at all.

    Args:
        folder: its path, local or `gs://`; nothing may be there yet.
        fill: called with the path of a local folder that it writes files to.
        about: goes into the manifest.

    Raises:
        OSError: it cannot be written.
    """
    with atomic.atomic_dir(folder, last=MANIFEST) as staging:
        fill(staging)
        _seal(staging, about)


def names(parent: str, named: re.Pattern) -> list[str]:
    """Names of the sealed folders in a folder, in any order; damaged ones as well.

    Args:
        parent: the folder; it need not be there.
        named: what the whole name must match.
    """
    found = [name for name in _folders(parent) if named.fullmatch(name)]
    if files.is_remote(parent):
        return [name for name in found if _is_sealed(parent, name)]
    return found


@contextlib.contextmanager
def opened(folder: str) -> Iterator[tuple[str, dict[str, object]]]:
    """A local folder with the files of a sealed one, checked, and what its writer said about them.

    Raises:
        DamagedError: they are not what was sealed.
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
    """Removes a sealed folder; when this is interrupted, what is left is not taken for one."""
    if files.is_remote(folder):
        files.remove([f"{folder}/{MANIFEST}"])
        files.remove_tree(folder)
        return
    atomic.remove_dir(folder)


def clean(parent: str, named: re.Pattern) -> None:
    """Removes what interrupted writing and removing left of folders with names that match.

    Nobody may be writing there now.
    """
    remote = files.is_remote(parent)
    for name in _folders(parent):
        unfinished = atomic.HIDDEN.fullmatch(name)
        if remote and named.fullmatch(name) and not _is_sealed(parent, name):
            files.remove_tree(f"{parent}/{name}")
        elif not remote and unfinished and named.fullmatch(unfinished[1]):
            shutil.rmtree(f"{parent}/{name}", ignore_errors=True)


def _folders(parent: str) -> list[str]:
    try:
        return files.listing(parent)[0]
    except FileNotFoundError:
        return []


def _is_sealed(parent: str, name: str) -> bool:
    return files.exists(f"{parent}/{name}/{MANIFEST}")


def _seal(folder: str, about: dict[str, object]) -> None:
    sums = {name: _measure(f"{folder}/{name}", flush=True) for name in sorted(os.listdir(folder))}
    with open(f"{folder}/{MANIFEST}", "w") as file:
        file.write(_manifest(about, sums))
    atomic.flush(f"{folder}/{MANIFEST}")
    atomic.flush(folder)


def _manifest(about: dict[str, object], sums: dict[str, object]) -> str:
    """JSON; its own hash is in it, so that not even what it says about the files can change."""
    digest = hashlib.sha256(json.dumps([about, sums]).encode()).hexdigest()
    return json.dumps({"about": about, "files": sums, "sha256": digest}, indent=2) + "\n"


def _check(folder: str) -> dict[str, object]:
    try:
        with open(f"{folder}/{MANIFEST}") as file:
            text = file.read()
        manifest = json.loads(text)
        whole = text == _manifest(manifest["about"], manifest["files"])
    except FileNotFoundError:
        raise DamagedError(f"it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DamagedError(f"its {MANIFEST} is damaged")
    for name, sealed in manifest["files"].items():
        try:
            found = _measure(f"{folder}/{name}")
        except OSError as error:
            raise DamagedError(f"its file {name} cannot be read: {error.strerror}") from None
        if found["bytes"] != sealed["bytes"]:
            raise DamagedError(
                f"its file {name} has {found['bytes']:,} bytes of {sealed['bytes']:,}"
            )
        if found != sealed:
            raise DamagedError(f"its file {name} has changed since it was written")
    return manifest["about"]


def _measure(path: str, flush: bool = False) -> dict[str, object]:
    """Size and SHA-256 of a file, first brought to the disk if that is asked for."""
    with open(path, "rb") as file:
        if flush:
            os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
