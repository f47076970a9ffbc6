"""Files and folders that are there whole or not at all, and folders that one process holds.

    with atomic.atomic_dir("runs/1/export/0001") as staging:
        …                       # write to the local folder `staging`, at any depth
    with atomic.atomic_file("gs://bucket/train.h5") as staging:
        …                       # write to the local file `staging`
    with atomic.lock_dir("runs/1", "another process is training there"):
        …

What is being written lies beside its place, in a hidden folder, and is renamed. A process that is
killed leaves that folder behind; who writes the same thing next removes it, if no process that
lives has it locked. A bucket has no renaming of folders: there files are uploaded at the end.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator

from headrace import files
from headrace.errors import UserError

# The name of what is hidden; its first group is the name of what it is to become, or was.
HIDDEN = re.compile(r"\.(.+)\.[0-9a-f]{32}")


@contextlib.contextmanager
def atomic_dir(folder: str, last: str = "") -> Iterator[str]:
    """Make a folder, whole or not at all; one that is there is replaced.

    Args:
        folder: its path, local or `gs://`; folders above it are made if need be.
        last: name of the file that is uploaded last to a bucket, where readers take a folder
            without it for none.

    Yields:
        The path of a local folder to write to.

    Raises:
        OSError: it cannot be written.
    """
    _make_parent(folder)
    with _staging(folder) as staging:
        yield staging
        if files.is_remote(folder):
            _upload(staging, folder, last)
            return
        if os.path.isdir(folder):
            remove_dir(folder)
        os.rename(staging, folder)
        flush(os.path.dirname(folder))


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[str]:
    """Write a file, whole or not at all; one that is there is replaced.

    Args:
        path: its path, local or `gs://`.

    Yields:
        The path of a local file to write to.

    Raises:
        OSError: it cannot be written.
    """
    with _staging(path) as staging:
        file = os.path.join(staging, os.path.basename(path))
        yield file
        if files.is_remote(path):
            _upload_file(file, path)
        else:
            os.replace(file, path)


@contextlib.contextmanager
def staging_dir(path: str) -> Iterator[str]:
    """Give a folder to write what is to be renamed to a path.

    It is removed at the end, if it is still there, and what killed processes left of the same path
    before it is made.

    Args:
        path: a local path; the folder above it is there.

    Yields:
        The path of a hidden folder beside it, which is locked.

    Raises:
        OSError: it cannot be made.
    """
    parent, name = os.path.split(path)
    remove_abandoned(parent or ".", re.compile(re.escape(name)))
    folder, descriptor = _locked_folder(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(parent: str, names: re.Pattern[str]) -> None:
    """Remove the hidden folders in a local folder that processes which live no longer left there.

    Args:
        parent: the folder.
        names: of all that they were to become, or were.
    """
    for other in os.listdir(parent):
        hidden = HIDDEN.fullmatch(other)
        if not hidden or not names.fullmatch(hidden[1]):
            continue
        folder = os.path.join(parent, other)
        with contextlib.suppress(OSError):  # another process was quicker, or there are no locks
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def remove_dir(folder: str) -> None:
    """Remove a local folder under another name: interrupted, it leaves no part of it in place."""
    hidden = _hidden(folder)
    os.rename(folder, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


@contextlib.contextmanager
def lock_dir(folder: str, conflict: str) -> Iterator[None]:
    """Keep other processes of this machine from locking a folder meanwhile.

    The folder is made if need be, and removed again if nothing was put into it. A process that is
    killed holds it no longer. Where there are no locks, in buckets and on some networks' disks,
    none is taken.

    Args:
        folder: its path, local or `gs://`.
        conflict: message of the error where another process holds it.

    Raises:
        UserError: another process holds it.
        OSError: it cannot be made.
    """
    if files.is_remote(folder):
        yield
        return
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _is_locked(descriptor):
            raise UserError(conflict)
        try:
            yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):  # as there is something in it
                    os.rmdir(folder)
    finally:
        os.close(descriptor)


def flush(path: str) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _staging(path: str) -> contextlib.AbstractContextManager[str]:
    """Give a local folder to write what goes to a path, which may be in a bucket."""
    return tempfile.TemporaryDirectory() if files.is_remote(path) else staging_dir(path)


def _locked_folder(path: str) -> tuple[str, int]:
    """Make a hidden folder beside a path; its path, and the descriptor that holds its lock."""
    while True:
        folder = _hidden(path)
        os.mkdir(folder)
        # Until it is locked, another process may take it for one that nobody owns.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            if not _is_locked(descriptor) and os.path.isdir(folder):
                return folder, descriptor
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Lock a folder that is open; return whether another process has it locked instead."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # a file system without locks
    return False


def _hidden(path: str) -> str:
    parent, name = os.path.split(path)
    return os.path.join(parent, f".{name}.{uuid.uuid4().hex}")


def _make_parent(path: str) -> None:
    parent = os.path.dirname(path)
    if parent and not files.is_remote(path) and not os.path.isdir(parent):
        os.makedirs(parent)
        flush(os.path.dirname(os.path.abspath(parent)))


def _upload(local: str, folder: str, last: str) -> None:
    names = [
        os.path.relpath(os.path.join(parent, name), local)
        for parent, _, found in os.walk(local)
        for name in found
    ]
    try:
        for name in sorted(names, key=lambda name: (name == last, name)):
            _upload_file(os.path.join(local, name), f"{folder}/{name}")
    except BaseException:
        with contextlib.suppress(Exception):  # what counts is why it failed
            files.remove_tree(folder)
        raise


def _upload_file(local: str, path: str) -> None:
    with open(local, "rb") as source, files.open_write(path) as to:
        shutil.copyfileobj(source, to)
