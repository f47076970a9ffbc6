"""`tiny_imagenet:PATH`: WordNet folders, with labels of the validation images in a file.

    words.txt                         n01443537<tab>goldfish, Carassius auratus
    train/n01443537/images/*.JPEG
    val/images/*.JPEG                 val/val_annotations.txt: val_0.JPEG<tab>n03444034<tab>…

`test/` has no labels and is not read; `--splits=train:0.9,test:0.1` cuts a test split from train.
"""

from collections.abc import Iterator

from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from beam_pipelines.sources.walk import files_below, walk
from headrace import files
from headrace.errors import UserError


def read(root: str) -> Source:
    """Find the classes: folders of `train/`, called by their first word, `goldfish (n01443537)`.

    Raises:
        UserError: a file or folder of the layout is missing, or an annotation names another class.
            While listing: a class has no image, or a validation image no annotation.
    """
    _, wnids, _ = next(walk(f"{root}/train"))
    if not wnids:
        raise UserError(
            f"{root}/train has no WordNet folders; `source`=tiny_imagenet: wants the "
            "unpacked archive's folder"
        )
    words = dict(_table(f"{root}/words.txt"))
    names = {wnid: _name(wnid, words.get(wnid, "")) for wnid in wnids}
    annotations = _table(f"{root}/val/val_annotations.txt")
    for path, wnid in annotations:
        if wnid not in names:
            raise UserError(
                f"{root}/val/val_annotations.txt: {path} is of {wnid}, which train/ does not have"
            )

    def list_files() -> Iterator[SourceImage]:
        for wnid, name in names.items():
            empty = True
            for path in files_below(root, f"train/{wnid}/images"):
                empty = False
                yield SourceImage(path, name, "train")
            if empty:
                raise UserError(f"{root}/train/{wnid}/images has no image; unpack it again")
        names_with_label = {path for path, _ in annotations}
        for path in files_below(root, "val/images"):
            if path.removeprefix("val/images/") not in names_with_label:
                raise UserError(f"{root}/{path} is not in val_annotations.txt; mend either")
        for path, wnid in annotations:
            yield SourceImage(f"val/images/{path}", names[wnid], "validation")

    return Source(root, list_files, list(names.values()))


def _name(wnid: str, words: str) -> str:
    first = words.partition(",")[0].strip()
    return f"{first} ({wnid})" if first else wnid


def _table(path: str) -> list[tuple[str, str]]:
    """Return the first two columns of a file of tab-separated values."""
    try:
        lines = files.read(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}") from None
    rows = [line.split("\t") for line in lines if line.strip()]
    if any(len(row) < 2 for row in rows):
        raise UserError(f"{path}: expected tab-separated columns in every line")
    return [(row[0], row[1]) for row in rows]
