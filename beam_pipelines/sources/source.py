"""What a source is: the images of a folder, a table or a container, not yet opened."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Protocol

from beam_pipelines.images.decode import BadImageError


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """An image of the source.

    Attributes:
        path: of the file, below the source's root (with `/`) or a full one; for an image inside a
            container a name that tells where it lies.
        label: name of its class.
        split: where the source says it belongs, None where it is to be divided.
        group: images of the same group (a patient, a video) share a split.
        weight: of the image in training.
    """

    path: str
    label: str
    split: str | None = None
    group: str | None = None
    weight: float | None = None


class Container(Protocol):
    """Images that are no files of their own. Sent to workers, so it holds names only."""

    def ranges(self) -> list:
        """Tasks, each a small part of the whole."""

    def unpack(self, part) -> Iterator[tuple[Listed, bytes | BadImageError]]:
        """The images of one part, each with the bytes of an image file or why it has none."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from.

    Attributes:
        root: what paths are relative to.
        list_files: yields every image; empty for a container.
        classes: names in the order of their labels; None for sorted, as they are found.
        container: for images that are no files of their own.
        images: how many there are, where that is known without listing.
        splits: the predefined ones of a container.
    """

    root: str
    list_files: Callable[[], Iterator[Listed]] = lambda: iter(())
    classes: list[str] | None = None
    container: Container | None = None
    images: int | None = None
    splits: frozenset[str] = frozenset()
