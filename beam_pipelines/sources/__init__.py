"""Sources, `--source=KIND:PATH`: the images to prepare, with their classes and splits.

One module a kind. A kind either lists files, which workers read when their turn comes, or unpacks
images out of a container (an HDF5 file, a TFDS dataset) range by range. No image is decoded here,
and no listing is held in memory.
"""

from beam_pipelines.sources import filename, folder, hdf5, listing, tfds, tiny_imagenet
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UsageError, UserError

KINDS = {
    "folder": "a folder per class, or train/ and test/ with class folders inside",
    "listing": "a CSV, JSON or JSON lines file of path, label (or labels, as a|b) and perhaps "
    "split, group, weight",
    "filename": "a folder of files whose names hold their class, see `class_pattern`",
    "tiny_imagenet": "train/, val/ and words.txt as Tiny ImageNet has them",
    "hdf5": "a file with images, labels and perhaps label_names",
    "tfds": "a TFDS dataset by name, or its folder",
}


def read(spec: str, class_pattern: str) -> Source:
    """Open a source.

    Args:
        spec: `KIND:PATH`, see `KINDS`.
        class_pattern: regular expression for `filename:`, the class in its first group.

    Raises:
        UsageError: the kind is not known, or the path is neither local nor `gs://`.
        UserError: the source is not what its kind says. Some of this is found out only when its
            files are listed.
    """
    kind, _, path = spec.partition(":")
    path = files.expand(path)
    if kind not in KINDS or not path:
        raise UsageError(
            f"`source`={spec}: expected KIND:PATH, such as folder:photos; the kinds are "
            f"{', '.join(KINDS)}"
        )
    if kind == "tfds":
        return tfds.read(path)
    files.check(path, "source")
    root = files.absolute(path)
    if kind == "filename":
        return filename.read(root, class_pattern)
    modules = {"folder": folder, "listing": listing, "tiny_imagenet": tiny_imagenet, "hdf5": hdf5}
    return modules[kind].read(root)


def check_classes(root: str, classes: list[str], num_classes: int | None) -> None:
    """Make sure that the classes are those that were meant.

    Args:
        root: root of the source, for messages.
        classes: names of the classes.
        num_classes: number of classes that there must be; None for any.

    Raises:
        UserError: there are fewer than two, or not as many as `num_classes`, or a name that is
            there twice, or that no line of text holds.
    """
    shown = ", ".join(map(repr, classes[:5])) + (", …" if len(classes) > 5 else "")
    if num_classes is not None and len(classes) != num_classes:
        raise UserError(
            f"{root} has {len(classes):,} classes ({shown}), `num_classes` says {num_classes:,}; "
            "check the source's layout or the flag"
        )
    if not classes:
        raise UserError(f"{root} has no image of any class; a classifier needs two classes or more")
    if len(classes) < 2:
        raise UserError(
            f"{root} has one class only, {classes[0]!r}; a classifier needs two or more"
        )
    names = set()
    for name in classes:
        if name in names:
            raise UserError(f"{root} has class {name!r} twice; give each a name of its own")
        if name != name.strip() or len(name.splitlines()) != 1:
            # TFDS keeps the names as the lines of a file.
            raise UserError(
                f"{root}: class {name!r} has a line break in its name, or spaces around it; "
                "rename it"
            )
        names.add(name)
