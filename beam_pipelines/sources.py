"""`--source=KIND:PATH` → the list of images to prepare, with their classes and splits."""

import dataclasses
import os
from collections.abc import Iterator

from headrace import UsageError, UserError

# Folders at the top of a source that are splits, not classes.
_SPLIT_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_NOT_IMAGES = {"thumbs.db", "desktop.ini"}


@dataclasses.dataclass(frozen=True)
class Listed:
    """A file of the source: its path below the root (with `/`), label and predefined split."""

    path: str
    label: int
    split: str | None


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from: the root folder, the class names and every file, sorted by path."""

    root: str
    classes: list[str]
    images: list[Listed]


def read(spec: str) -> Source:
    """Lists a source. No image is opened.

    `folder:PATH` has a folder per class. If the folders at its top are `train` and `test` (and
    `validation` or `val`), these are predefined splits, with the class folders inside.

    Args:
        spec: `KIND:PATH`.

    Raises:
        UsageError: the kind is not known.
        UserError: the source is missing or empty, a class folder has no image, or the classes of
            its predefined splits differ.
    """
    kind, _, path = spec.partition(":")
    if kind != "folder" or not path:
        raise UsageError(f"--source={spec}: expected folder:PATH, a folder with one folder a class")
    root = path if "://" in path else os.path.abspath(os.path.expanduser(path))
    return _folder(root)


def _folder(root: str) -> Source:
    found = _class_folders(root)
    splits = {_SPLIT_FOLDERS[name]: name for name in found if name in _SPLIT_FOLDERS}
    if "train" in splits and len(found) == len(splits) > 1:
        per_split = {
            split: _class_folders(os.path.join(root, name)) for split, name in splits.items()
        }
        _check_same_classes(root, per_split)
        folders = [
            (f"{splits[split]}/{name}", name, split)
            for split, names in per_split.items()
            for name in names
        ]
    else:
        folders = [(name, name, None) for name in found]
    classes = sorted({name for _, name, _ in folders})
    if len(classes) < 2:
        raise UserError(
            f"{root} has one class folder only, {classes[0]!r}; a classifier needs two or more"
        )
    labels = {name: label for label, name in enumerate(classes)}
    images = [
        Listed(path, labels[name], split)
        for folder, name, split in folders
        for path in _files(root, folder)
    ]
    return Source(root, classes, sorted(images, key=lambda image: image.path))


def _class_folders(root: str) -> list[str]:
    """Names of the folders directly below `root`.

    Raises:
        UserError: `root` is no folder, has no folders, or has images beside its folders.
    """
    top = next(_walk(root), None)
    if top is None:
        raise UserError(f"{root} is no folder; check --source")
    _, folders, files = top
    folders = sorted(name for name in folders if not name.startswith("."))
    files = sorted(name for name in files if _counts(name))
    if not folders:
        raise UserError(
            f"{root} has no class folders; put the images of each class in a folder of its own"
        )
    if files:
        raise UserError(
            f"{root} has files beside its class folders ({files[0]}); move them into the folder "
            "of their class, or away"
        )
    return folders


def _files(root: str, folder: str) -> list[str]:
    """Paths, below `root`, of all files in a class folder, at any depth.

    Raises:
        UserError: there is none.
    """
    top = os.path.join(root, folder)
    paths = [
        f"{folder}{directory[len(top) :].replace(os.sep, '/')}/{name}"
        for directory, _, names in _walk(top)
        for name in names
        if _counts(name)
    ]
    if not paths:
        raise UserError(f"class folder {top} has no image; fill it or remove it")
    return paths


def _check_same_classes(root: str, per_split: dict[str, list[str]]) -> None:
    for split, names in per_split.items():
        odd = sorted(set(names) ^ set(per_split["train"]))
        if odd:
            raise UserError(
                f"{root}: class {odd[0]!r} is in only one of train and {split}; "
                "every split needs all classes"
            )


def _counts(name: str) -> bool:
    """Hidden files and what file managers leave behind are no images, and no mistake either."""
    return not name.startswith(".") and name.lower() not in _NOT_IMAGES


def _walk(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
    if "://" not in root:
        return os.walk(root, followlinks=True)
    import tensorflow as tf  # takes seconds, and only remote sources need it

    return (
        (d.rstrip("/"), [f.rstrip("/") for f in fs], ns) for d, fs, ns in tf.io.gfile.walk(root)
    )
