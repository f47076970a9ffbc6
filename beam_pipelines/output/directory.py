"""The output directory before a job: what may be replaced, and what may not be touched."""

import contextlib
import os
from collections.abc import Iterator

from headrace import atomic, files
from headrace.errors import UsageError, UserError
from input.dataset import dataset_dir

# Where a job keeps what its phases hand on; gone when it is finished.
WORK = ".work"
# Kinds of source in which every file at any depth is an image.
_WALKED = ("folder", "filename")


def check(output_dir: str, overwrite: bool, source: str) -> None:
    """Make sure that nothing of the user's would be lost; touch nothing.

    Raises:
        UsageError: the folder is the source, or lies among the images of one that is a folder: the
            next job would take its files for images.
        UserError: the folder holds a finished dataset that may not be replaced, or other files, or
            it cannot be listed.
    """
    files.check(output_dir, "output_dir")
    kind, _, path = source.partition(":")
    inside, around = _resolved(output_dir), _resolved(path)
    if inside == around or (kind in _WALKED and inside.startswith(f"{around}/")):
        raise UsageError(f"`output_dir`={output_dir} lies in the source; name a folder outside it")
    names = _names(output_dir)
    if dataset_dir.CARD in names:
        if not overwrite:
            raise UserError(
                f"`output_dir`={output_dir} holds a finished dataset; choose another, or "
                "replace it with `overwrite`"
            )
        return
    foreign = sorted(name for name in names if not (WORK in names and _is_ours(name)))
    if foreign:
        raise UserError(
            f"`output_dir`={output_dir} holds other files ({foreign[0]}); name a new or "
            "empty folder"
        )


@contextlib.contextmanager
def claimed(output_dir: str) -> Iterator[None]:
    """Make the folder, and keep other jobs of this machine out of it; a killed job does not.

    Raises:
        UserError: another job is at work in it, or it cannot be made.
    """
    conflict = (
        f"`output_dir`={output_dir}: another job is writing to it; wait until it ends, or name "
        "another folder"
    )
    with contextlib.ExitStack() as stack:
        with errors_named(output_dir):
            stack.enter_context(atomic.lock_dir(output_dir, conflict))
        yield


def clear(output_dir: str) -> str:
    """Remove what an earlier job left, and make the work folder.

    The work folder comes first, so that a job killed at any moment leaves a folder that the next
    one knows for its own; the card goes next, so that no half dataset looks whole.

    Returns:
        The path of the work folder, empty.

    Raises:
        UserError: the folder cannot be written.
    """
    work = f"{output_dir}/{WORK}"
    with errors_named(output_dir):
        files.make_folder(work)
        files.remove([f"{output_dir}/{dataset_dir.CARD}"])
        ours = sorted(name for name in _names(output_dir) if _is_ours(name) and name != WORK)
        files.remove([f"{output_dir}/{name}" for name in ours])
        files.remove(files.matching(work, "*"))
    return work


def remove_work(output_dir: str) -> None:
    """Remove the work folder of a finished job."""
    files.remove_tree(f"{output_dir}/{WORK}")


def _resolved(path: str) -> str:
    """Return one spelling of a path; a remote one is not looked up."""
    return path.rstrip("/") if "://" in path else os.path.realpath(os.path.expanduser(path))


@contextlib.contextmanager
def errors_named(output_dir: str) -> Iterator[None]:
    """Turn an error of the file system into one line.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"`output_dir`={output_dir} cannot be written ({reason})") from None


def _names(output_dir: str) -> set[str]:
    """Return the names of all that is in the folder; none where it is not there yet."""
    try:
        folders, names = files.listing(output_dir)
    except FileNotFoundError:
        if output_dir.startswith("gs://"):  # folders come by themselves there, buckets do not
            raise UserError(f"`output_dir`={output_dir}: there is no such bucket") from None
        return set()
    except NotADirectoryError:
        raise UserError(f"`output_dir`={output_dir} is a file; name a folder") from None
    except OSError as error:
        raise UserError(f"`output_dir`={output_dir} cannot be listed ({error.strerror})") from None
    return {*folders, *names}


def _is_ours(name: str) -> bool:
    """Return whether a file of an output directory was written by a job."""
    return (
        name in {WORK, dataset_dir.CARD}
        or name in {dataset_dir.QUARANTINE, dataset_dir.DUPLICATES, dataset_dir.REPORT}
        or name in {"dataset_info.json", "features.json", "label.labels.txt"}
        or ".tfrecord-" in name
        or name.endswith((".index", ".labels"))
        or (name.startswith(".") and name.endswith(".tmp"))
    )
