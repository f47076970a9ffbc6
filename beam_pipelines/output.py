"""The output directory before a job: what may be replaced, and what may not be touched."""

from etils import epath

from headrace import UserError
from input import dataset_dir

# Where a job keeps what its phases hand on; gone when it is finished.
WORK = ".work"


def check(output_dir: str, overwrite: bool) -> None:
    """Makes sure that nothing of the user's would be lost. Touches nothing.

    Raises:
        UserError: the folder holds a finished dataset that may not be replaced, or other files.
    """
    directory = epath.Path(output_dir)
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UserError(f"--output_dir={output_dir} is a file; name a folder")
    if (directory / dataset_dir.CARD).exists():
        if not overwrite:
            raise UserError(
                f"--output_dir={output_dir} holds a finished dataset; choose another, or "
                "replace it with --overwrite"
            )
        return
    names = {path.name for path in directory.iterdir()}
    foreign = sorted(name for name in names if not (WORK in names and _is_ours(name)))
    if foreign:
        raise UserError(
            f"--output_dir={output_dir} holds other files ({foreign[0]}); name a new or "
            "empty folder"
        )


def clear(output_dir: str) -> str:
    """Removes what an earlier job left, and makes the work folder.

    The work folder comes first, so that a job killed at any moment leaves a folder that the next
    one knows for its own; the card goes next, so that no half dataset looks whole.

    Returns:
        The path of the work folder, empty.
    """
    directory = epath.Path(output_dir)
    work = directory / WORK
    work.mkdir(parents=True, exist_ok=True)
    (directory / dataset_dir.CARD).unlink(missing_ok=True)
    for path in list(directory.iterdir()):
        if path != work and _is_ours(path.name):
            path.unlink()
    for path in list(work.iterdir()):
        path.unlink()
    return str(work)


def remove_work(output_dir: str) -> None:
    """Removes the work folder of a finished job."""
    (epath.Path(output_dir) / WORK).rmtree()


def _is_ours(name: str) -> bool:
    """Whether a file of an output directory was written by a job."""
    return (
        name in {WORK, dataset_dir.CARD}
        or name in {dataset_dir.QUARANTINE, dataset_dir.DUPLICATES, dataset_dir.REPORT}
        or name in {"dataset_info.json", "features.json", "label.labels.txt"}
        or ".tfrecord-" in name
        or name.endswith(".index")
        or (name.startswith(".") and name.endswith(".tmp"))
    )
