"""The folders of images that the benchmarks work on, each made once from an archive."""

import collections
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Callable

from headrace.errors import UserError

CIFAR, PHOTOS = "cifar10-jpeg.tar.gz", "photos-400.tar"
PHOTO_CLASSES, PHOTO_COPIES, MANY_COPIES = 10, 5, 50


def cifar(archives: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """Return 60,000 images of 32×32 as train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg."""
    return once(cache / "cifar", lambda folder: _unpack(archives / CIFAR, folder))


def cifar_tenth(archives: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """Return the first tenth of each class of `cifar`."""
    whole = cifar(archives, cache)
    return once(cache / "cifar_tenth", lambda folder: link_tenth(whole, folder))


def photos(archives: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """Return 400 photographs, five times each, as CLASS/NAME_COPY.jpg in ten classes."""
    return _photos(archives, cache, "photos", PHOTO_COPIES)


def many_photos(archives: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """Return the same as `photos`, each fifty times."""
    return _photos(archives, cache, "many_photos", MANY_COPIES)


def count(folder: pathlib.Path) -> int:
    """Return how many files are in a folder and its folders."""
    return sum(len(files) for _, _, files in os.walk(folder))


def link_tenth(whole: pathlib.Path, folder: pathlib.Path) -> None:
    """Make hard links to the first tenth of the files of each folder in `whole`."""
    siblings = collections.defaultdict(list)
    for path in sorted(whole.rglob("*.jpg")):
        siblings[path.parent].append(path)
    for parent, paths in siblings.items():
        target = folder / parent.relative_to(whole)
        target.mkdir(parents=True)
        for path in paths[: len(paths) // 10]:
            os.link(path, target / path.name)


def copy_photos(unpacked: pathlib.Path, folder: pathlib.Path, copies: int) -> None:
    """Link files under different names; those of one photograph are in one class."""
    for number, path in enumerate(sorted(unpacked.rglob("*.JPEG"))):
        target = folder / f"class_{number % PHOTO_CLASSES}"
        target.mkdir(parents=True, exist_ok=True)
        for copy in range(copies):
            os.link(path, target / f"{path.stem}_{copy}.jpg")


def _photos(archives: pathlib.Path, cache: pathlib.Path, name: str, copies: int) -> pathlib.Path:
    def make(folder: pathlib.Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as unpacked:
            _unpack(archives / PHOTOS, pathlib.Path(unpacked))
            copy_photos(pathlib.Path(unpacked), folder, copies)

    return once(cache / name, make)


def _unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    if not archive.exists():
        raise UserError(f"{archive} is not there; name the folder that has it with --archives")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")


def once(folder: pathlib.Path, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Make a folder under another name first, so that it is there in full or not at all.

    Args:
        folder: the folder.
        make: fills the folder that it is given, which is empty.

    Returns:
        The folder. Its files have been read, so that no contender is the first to ask the disk for
        them.
    """
    if not folder.exists():
        print(f"making {folder.name}", flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
        make(unfinished)
        unfinished.rename(folder)
    for path in folder.rglob("*.*"):
        path.read_bytes()
    return folder
