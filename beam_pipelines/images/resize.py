"""`size`, `short_side`, `max_side`: the size of an image as stored, and how it gets it.

The aspect ratio is always kept. Shrinking averages over areas, growing is cubic.
"""

import dataclasses
import re

from PIL import Image, ImageOps


@dataclasses.dataclass(frozen=True)
class Resize:
    """At most one of these; none leaves images as they are.

    Attributes:
        size: rows and columns: scale to cover, crop the centre.
        short_side: scale so that the shorter side is this long, in pixels.
        max_side: shrink so that no side is longer.
    """

    size: tuple[int, int] | None = None
    short_side: int | None = None
    max_side: int | None = None


def parse_size(text: str) -> tuple[int, int]:
    """Parse `"224"` or `"224,320"` into rows and columns.

    Raises:
        ValueError: not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})(?:[,x]([1-9]\d{0,4}))?", text)
    if not match:
        raise ValueError("expected a side in pixels, or rows,columns")
    return int(match[1]), int(match[2] or match[1])


def apply(resize: Resize, pixels: Image.Image) -> Image.Image:
    """Return an image scaled and cropped to its target size; itself where it has that already.

    Memory is bounded by the image and a few times the target, whatever the image's shape: Pillow
    cuts out what will be seen before it scales. Scaled first, a strip of 1 x 30,000 pixels would
    be 224 x 6,720,000 on its way to 224 x 224.
    """
    columns, rows = target_size(resize, pixels.width, pixels.height)
    if (columns, rows) == pixels.size:
        return pixels
    scale = max(columns / pixels.width, rows / pixels.height)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return ImageOps.fit(pixels, (columns, rows), method)


def target_size(resize: Resize, width: int, height: int) -> tuple[int, int]:
    """Return columns and rows, each 1 or more, of an image of this size once resized."""
    if resize.size:
        rows, columns = resize.size
        return columns, rows
    if resize.short_side:
        return _scaled(width, height, resize.short_side, min(width, height))
    if resize.max_side and max(width, height) > resize.max_side:
        return _scaled(width, height, resize.max_side, max(width, height))
    return width, height


def _scaled(width: int, height: int, new: int, old: int) -> tuple[int, int]:
    """Return both sides times `new / old`, to the nearest whole number, halves up."""

    def side(length: int) -> int:
        return max(1, (2 * length * new + old) // (2 * old))

    return side(width), side(height)
