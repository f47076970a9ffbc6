"""What a source is: the images of a folder, a table or a container, not yet opened."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from beam_pipelines.images.decode import BadImageError
from beam_pipelines.rows import SourceImage


class Container(Protocol):
    """Images that are no files of their own. Sent to workers, so it holds names only."""

    def ranges(self) -> list:
        """Return tasks, each a small part of the whole."""

    def unpack(self, part: Any) -> Iterator[tuple[SourceImage, bytes | BadImageError]]:
        """Yield the images of one part, each with the bytes of an image file or why it has none."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from.

    Attributes:
        root: what paths are relative to.
        list_files: yields every image; empty for a container.
        classes: names in the order of their labels; None for sorted, as they are listed.
        container: for images that are no files of their own.
        num_images: number of images of a container.
        splits: predefined splits of a container.
        multi_label: whether images of a container have any number of classes.
    """

    root: str
    list_files: Callable[[], Iterator[SourceImage]] = lambda: iter(())
    classes: list[str] | None = None
    container: Container | None = None
    num_images: int = 0
    splits: frozenset[str] = frozenset()
    multi_label: bool = False
