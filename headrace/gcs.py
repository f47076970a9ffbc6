"""Objects of Google Cloud Storage, as `files` needs them: `gs://BUCKET/NAME` as a path.

There are no folders there: what is called one is the objects whose names begin with its path. One
client serves a process, so connections are kept; it finds credentials, and an emulator at
`STORAGE_EMULATOR_HOST`, as Google's own programs do.
"""

import contextlib
import errno
import functools
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO

import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage import fileio
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from headrace.errors import UserError

SCHEME = "gs://"
_BATCH = 100
_CONNECTIONS = 64


def read(path: str, offset: int, length: int) -> bytes:
    """Return the bytes of an object, all from `offset` on where `length` is below 0."""
    end = None if length < 0 else offset + length - 1
    with _explained(path):
        return b"" if length == 0 else _blob(path).download_as_bytes(start=offset, end=end)


def open_read(path: str) -> BinaryIO:
    """Return a file to read in any order."""
    with _explained(path):
        _blob(path).reload()  # or a missing object would be noticed only when it is read
        return _Reader(path)


def open_write(path: str) -> BinaryIO:
    """Return a file whose object is there once it is closed."""
    with _explained(path):
        return _Writer(path)


def size(path: str) -> int:
    """Return bytes of an object; 0 if it is not there."""
    with _explained(path):
        bucket, name = _split(path)
        found = _client().bucket(bucket).get_blob(name)
        return found.size if found else 0


def exists(path: str) -> bool:
    """Return whether there is an object of this name."""
    with _explained(path):
        return bool(_split(path)[1]) and _blob(path).exists()


def write(path: str, content: bytes) -> None:
    """Write an object, which is there in full or not at all."""
    with _explained(path):
        _blob(path).upload_from_string(content, "application/octet-stream")


def rename(old: str, new: str) -> None:
    """Rename an object, over one that is there."""
    with _explained(old):
        source = _blob(old)
        token, _, _ = _blob(new).rewrite(source)
        while token:
            token, _, _ = _blob(new).rewrite(source, token=token)
        source.delete()


def listing(folder: str) -> tuple[list[str], list[str]]:
    """Return names of the folders and of the objects directly in a folder."""
    prefix, found = _objects(folder)
    with _explained(folder):
        names = [blob.name.removeprefix(prefix) for blob in found]
        folders = [name.removeprefix(prefix).rstrip("/") for name in found.prefixes]
    return folders, [name for name in names if name]  # a placeholder has no name in its own folder


def sizes(folder: str) -> dict[str, int]:
    """Return names and bytes of the objects directly in a folder."""
    prefix, found = _objects(folder)
    with _explained(folder):
        return {blob.name.removeprefix(prefix): blob.size for blob in found}


def make_folder(folder: str) -> None:
    """Make an empty folder show, by the placeholder that Google's console uses."""
    write(f"{folder}/", b"")


def remove(paths: list[str]) -> None:
    """Remove objects; one that is not there does no harm."""
    for first in range(0, len(paths), _BATCH):
        with _explained(paths[first]), _client().batch(raise_exception=False):
            for path in paths[first : first + _BATCH]:
                _blob(path).delete()


def remove_tree(folder: str) -> None:
    """Remove all objects of a folder, at any depth."""
    bucket, name = _split(folder)
    with _explained(folder):
        found = [blob.name for blob in _client().list_blobs(bucket, prefix=f"{name}/")]
    remove([f"{SCHEME}{bucket}/{name}" for name in found])


@functools.cache
def _client() -> storage.Client:
    # What it warns of before it fails is in the error.
    logging.getLogger("google.auth").setLevel(logging.ERROR)
    client = storage.Client()
    # As many connections are kept as threads read at once, or each request would make a new one
    # and warn of it. The client has no option for that.
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))
    return client


def _objects(folder: str) -> tuple[str, Any]:
    """Return the objects directly in a folder, and what their names begin with."""
    bucket, name = _split(folder.rstrip("/"))
    prefix = f"{name}/" if name else ""
    with _explained(folder):
        return prefix, _client().list_blobs(bucket, prefix=prefix, delimiter="/")


def _split(path: str) -> tuple[str, str]:
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    return bucket, name


def _blob(path: str) -> storage.Blob:
    bucket, name = _split(path)
    return _client().bucket(bucket).blob(name)


class _Reader(fileio.BlobReader):
    """A file to read, whose errors are explained."""

    def __init__(self, path: str) -> None:
        super().__init__(_blob(path))
        self._path = path

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes; all that are left where `size` is below 0."""
        with _explained(self._path):
            return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; it asks for the size of the object."""
        with _explained(self._path):
            return super().seek(offset, whence)


class _Writer(fileio.BlobWriter):
    """A file to write, whose errors are explained."""

    def __init__(self, path: str) -> None:
        super().__init__(_blob(path))
        self._path = path

    def write(self, content: Any) -> int:
        """Write bytes; now and then this sends some."""
        with _explained(self._path):
            return super().write(content)

    def close(self) -> None:
        """Send what is left."""
        try:
            with _explained(self._path):
                super().close()
        finally:
            self._buffer.close()  # or Python would send it again when it collects the file


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Raise errors as those of local files, or as what the user can put right."""
    try:
        with _of_one_kind():
            yield
    except exceptions.NotFound:
        raise FileNotFoundError(errno.ENOENT, "No such object or bucket", path) from None
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise PermissionError(errno.EACCES, _in_one_line(error.message), path) from None
    except GoogleAuthError as error:
        raise UserError(
            f"{path}: no access to Google Cloud ({_in_one_line(error)}); run "
            "`gcloud auth application-default login`"
        ) from None
    except (exceptions.GoogleAPIError, DataCorruption, requests.RequestException) as error:
        # The client has tried again by itself, for two minutes.
        raise UserError(f"{path}: Google Cloud Storage failed: {_in_one_line(error)}") from None


@contextlib.contextmanager
def _of_one_kind() -> Iterator[None]:
    """Raise what the client says of files that are sent in parts as what it says otherwise."""
    try:
        yield
    except InvalidResponse as error:
        raise exceptions.from_http_response(error.response) from None


def _in_one_line(reason: object) -> str:
    return " ".join(str(reason).split())[:200]
