"""`hdf5:FILE`: datasets `images` and `labels`, and perhaps `label_names`.

Images are `[images, rows, columns]` or `[images, rows, columns, channels]`, pixels 0-255 in RGB
order, of any type of number; fractions are rounded. A file of pixels 0-1 is refused; an image with
a pixel outside 0-255, or that is no number, is quarantined. Labels are numbers of classes
`[images]`, or `[images, classes]` of 0 and 1 where an image may have several classes.
"""

import contextlib
import dataclasses
import io
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from beam_pipelines.images.decode import BadImageError
from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from headrace import files
from headrace.errors import UserError

_RANGE = 256


@dataclasses.dataclass(frozen=True)
class Hdf5:
    """The images of one file."""

    path: str
    images: int
    classes: tuple[str, ...]

    def ranges(self) -> list[tuple[int, int]]:
        """Return first and last (exclusive) image of each part."""
        return [(n, min(n + _RANGE, self.images)) for n in range(0, self.images, _RANGE)]

    def unpack(self, part: tuple[int, int]) -> Iterator[tuple[SourceImage, bytes | BadImageError]]:
        """Yield images as PNG files, which lose nothing."""
        first, last = part
        with _open(self.path) as file:
            images, labels = file["images"][first:last], file["labels"][first:last]
        for number, (pixels, label) in enumerate(zip(images, labels, strict=True), first):
            yield SourceImage(f"images/{number:08d}", self._label(label)), _png(pixels)

    def _label(self, stored: np.ndarray) -> str | list[str]:
        if stored.ndim == 0:
            return self.classes[int(stored)]
        return sorted(self.classes[index] for index in np.flatnonzero(stored))


def read(path: str) -> Source:
    """Open the file and checks what it holds.

    Raises:
        UserError: it cannot be read, a dataset is missing or of the wrong shape, a label has no
            name, or pixels are not 0-255.
    """
    with _open(path) as file:
        for name in ("images", "labels"):
            if not hasattr(file.get(name), "dtype"):  # it may be a group
                others = ", ".join(file) or "nothing"
                raise UserError(f"{path} has no dataset {name!r}; it has {others}")
        images, labels = file["images"], file["labels"]
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
            raise UserError(
                f"{path}: images are of shape {images.shape}, expected [images, rows, columns] "
                "or the same with 1 or 3 channels"
            )
        if images.dtype.kind not in "uif":
            raise UserError(f"{path}: pixels are {images.dtype}, expected numbers, 0-255")
        multi_label = labels.ndim == 2
        if (
            labels.shape[:1] != images.shape[:1]
            or labels.ndim > 2
            or labels.dtype.kind not in "iub"
        ):
            raise UserError(
                f"{path}: labels are {labels.dtype} {labels.shape}, expected one whole number for "
                f"each of {len(images)} images, or a row of 0 and 1"
            )
        # A few are enough to tell 0-1 from 0-255, and all are checked when they are unpacked.
        if images.dtype != np.uint8 and images[:_RANGE].max(initial=0) <= 1:
            raise UserError(f"{path}: pixels seem to be 0-1; store them as uint8, 0-255")
        indices = np.asarray(labels)
        names = _names(path, file["label_names"]) if "label_names" in file else _numbers(indices)
        if multi_label and (labels.shape[1] != len(names) or not np.isin(indices, (0, 1)).all()):
            raise UserError(
                f"{path}: labels are {labels.dtype} {labels.shape}, expected 0 or 1 for each of "
                f"{len(names)} label names"
            )
        if (
            not multi_label
            and len(indices)
            and not 0 <= indices.min() <= indices.max() < len(names)
        ):
            raise UserError(
                f"{path}: labels go from {indices.min()} to {indices.max()}, but there are "
                f"{len(names)} label names"
            )
    container = Hdf5(path, len(indices), tuple(names))
    return Source(
        path,
        classes=names,
        container=container,
        num_images=len(indices),
        multi_label=multi_label,
    )


@contextlib.contextmanager
def _open(path: str) -> Iterator:
    import h5py  # only this kind of source needs it

    try:
        with files.open_read(path) as raw, h5py.File(raw) as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read as HDF5: {error}") from None


def _names(path: str, stored: Iterable) -> list[str]:
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in stored]
    except UnicodeDecodeError:
        raise UserError(f"{path}: its label_names are not UTF-8") from None


def _numbers(labels: np.ndarray) -> list[str]:
    """Return names of classes that have none: those of a row count on from 0."""
    return [
        str(label) for label in (range(labels.shape[1]) if labels.ndim == 2 else np.unique(labels))
    ]


def _png(pixels: np.ndarray) -> bytes | BadImageError:
    """Return the image as a PNG file, or what is wrong with it."""
    if not pixels.size:
        return BadImageError("empty", f"its shape is {pixels.shape}")
    levels = np.round(pixels) if pixels.dtype.kind == "f" else pixels
    if not (levels.min() >= 0 and levels.max() <= 255):  # so written, NaN is refused too
        extent = f"{pixels.min()} to {pixels.max()}"
        return BadImageError("undecodable", f"its pixels are {extent}, expected 0 to 255")
    levels = levels.astype(np.uint8)
    stored = io.BytesIO()
    image = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    image.save(stored, "PNG", compress_level=1)
    return stored.getvalue()
