"""`hdf5:FILE`: datasets `images` and `labels`, and perhaps `label_names`, as the seeds wrote them.

Images are `[images, rows, columns]` or `[images, rows, columns, channels]`, pixels 0-255 in RGB
order, whatever their type (the seeds' were float64).
"""

import contextlib
import dataclasses
import io
from collections.abc import Iterator

import numpy as np
from apache_beam.io.filesystems import FileSystems
from PIL import Image

from beam_pipelines.sources.source import Listed, Source
from headrace import UserError

_RANGE = 256


@dataclasses.dataclass(frozen=True)
class Hdf5:
    """The images of one file."""

    path: str
    images: int
    classes: tuple[str, ...]

    def ranges(self) -> list[tuple[int, int]]:
        """First and last (exclusive) image of each part."""
        return [(n, min(n + _RANGE, self.images)) for n in range(0, self.images, _RANGE)]

    def unpack(self, part: tuple[int, int]) -> Iterator[tuple[Listed, bytes]]:
        """Images as PNG files, which lose nothing."""
        first, last = part
        with _open(self.path) as file:
            images, labels = file["images"][first:last], file["labels"][first:last]
        for number, (pixels, label) in enumerate(zip(images, labels, strict=True), first):
            yield Listed(f"images/{number:08d}", self.classes[int(label)]), _png(pixels)


def read(path: str) -> Source:
    """Opens the file and checks what it holds.

    Raises:
        UserError: it cannot be read, a dataset is missing or of the wrong shape, a label has no
            name, or pixels are not 0-255.
    """
    with _open(path) as file:
        for name in ("images", "labels"):
            if name not in file:
                raise UserError(f"{path} has no dataset {name!r}; it has {', '.join(file)}")
        images, labels = file["images"], file["labels"]
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
            raise UserError(
                f"{path}: images are of shape {images.shape}, expected [images, rows, columns] "
                "or the same with 1 or 3 channels"
            )
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise UserError(
                f"{path}: labels are {labels.dtype} {labels.shape}, expected one whole number for "
                f"each of {len(images)} images"
            )
        # A few are enough to tell 0-1 from 0-255, and all are checked when they are unpacked.
        if images.dtype != np.uint8 and images[:_RANGE].max(initial=0) <= 1:
            raise UserError(f"{path}: pixels seem to be 0-1; store them as uint8, 0-255")
        found = np.asarray(labels)
        names = [_text(name) for name in file.get("label_names", np.unique(found).astype(str))]
        if len(found) and not 0 <= found.min() <= found.max() < len(names):
            raise UserError(
                f"{path}: labels go from {found.min()} to {found.max()}, but there are "
                f"{len(names)} label names"
            )
    container = Hdf5(path, len(found), tuple(names))
    return Source(path, classes=names, container=container, images=len(found))


@contextlib.contextmanager
def _open(path: str) -> Iterator:
    import h5py  # only this kind of source needs it

    try:
        with FileSystems.open(path, "application/octet-stream") as raw, h5py.File(raw) as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read as HDF5: {error}") from None


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _png(pixels: np.ndarray) -> bytes:
    """The image as a PNG file; no bytes for pixels that are not 0-255, which is quarantined."""
    levels = np.round(pixels) if pixels.dtype.kind == "f" else pixels
    if not pixels.size or levels.min() < 0 or levels.max() > 255:
        return b""
    levels = levels.astype(np.uint8)
    stored = io.BytesIO()
    image = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    image.save(stored, "PNG", compress_level=1)
    return stored.getvalue()
