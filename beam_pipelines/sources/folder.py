"""`folder:PATH`: a folder per class, perhaps below folders that are predefined splits."""

from collections.abc import Iterator

from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from beam_pipelines.sources.walk import files_below, walk
from headrace.errors import UserError

# Folders at the top of a source that are splits, not classes, in lower or upper case.
_SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def read(root: str) -> Source:
    """Find the classes, and the predefined splits if two of them are at the top.

    Raises:
        UserError: the folder is missing or empty, has files beside its class folders, other
            folders beside its predefined splits, two folders for one of them or none for `train`,
            or their classes differ. While listing: a class folder has no image.
    """
    top = _class_folders(root)
    splits = _split_folders(root, top)
    folders: list[tuple[str, str, str | None]]
    if splits:
        per_split = {split: _class_folders(f"{root}/{name}") for split, name in splits.items()}
        _check_same_classes(root, per_split)
        classes = per_split["train"]
        folders = [(f"{splits[split]}/{name}", name, split) for split in splits for name in classes]
    else:
        classes = top
        folders = [(name, name, None) for name in classes]

    def list_files() -> Iterator[SourceImage]:
        for folder, label, split in folders:
            empty = True
            for path in files_below(root, folder):
                empty = False
                yield SourceImage(path, label, split)
            if empty:
                raise UserError(f"class folder {root}/{folder} has no image; fill it or remove it")

    return Source(root, list_files, classes)


def _split_folders(root: str, top: list[str]) -> dict[str, str]:
    """Return the folder of each predefined split; empty where all folders are classes."""
    names = [name for name in top if name.lower() in _SPLIT_FOLDERS]
    if len(names) < 2:  # a photograph of a train, or of a test, may be a class
        return {}
    shown = " and ".join(f"{name}/" for name in names)
    splits = {_SPLIT_FOLDERS[name.lower()]: name for name in names}
    others = sorted(set(top) - set(names))
    if others:
        raise UserError(f"{root} has {others[0]}/ beside the splits {shown}; move one or the other")
    if len(splits) < len(names) or "train" not in splits:
        raise UserError(
            f"{root} has {shown}; expected train/ and one folder for each other split "
            "(validation/ or val/, test/)"
        )
    return splits


def _class_folders(root: str) -> list[str]:
    _, folders, files = next(walk(root))
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


def _check_same_classes(root: str, per_split: dict[str, list[str]]) -> None:
    for split, names in per_split.items():
        odd = sorted(set(names) ^ set(per_split["train"]))
        if odd:
            raise UserError(
                f"{root}: class {odd[0]!r} is in only one of train and {split}; "
                "every split needs all classes"
            )
