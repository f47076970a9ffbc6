"""`--size`, `--short_side`, `--max_side`: to which size an image is brought, and how.

The aspect ratio is always kept. Shrinking averages over areas, growing is cubic.
"""

import dataclasses
import re

from PIL import Image, ImageOps

from headrace.errors import UsageError


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
    """`"224"` or `"224,320"` (rows, columns).

    Raises:
        UsageError: not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})(?:[,x]([1-9]\d{0,4}))?", text)
    if not match:
        raise UsageError(f"--size={text}: expected a side in pixels, or rows,columns")
    return int(match[1]), int(match[2] or match[1])


def apply(resize: Resize, pixels: Image.Image) -> Image.Image:
    """Brings an image to size; one that has it already is returned itself."""
    columns, rows = target(resize, pixels.width, pixels.height)
    if (columns, rows) == pixels.size:
        return pixels
    scale = max(columns / pixels.width, rows / pixels.height)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return ImageOps.fit(pixels, (columns, rows), method)


def target(resize: Resize, width: int, height: int) -> tuple[int, int]:
    """Columns and rows after resizing an image of this width and height, each 1 or more."""
    if resize.size:
        rows, columns = resize.size
        return columns, rows
    if resize.short_side:
        return _scaled(width, height, resize.short_side, min(width, height))
    if resize.max_side and max(width, height) > resize.max_side:
        return _scaled(width, height, resize.max_side, max(width, height))
    return width, height


def _scaled(width: int, height: int, wanted: int, found: int) -> tuple[int, int]:
    """Both sides times `wanted / found`, to the nearest whole number, halves up."""

    def side(length: int) -> int:
        return max(1, (2 * length * wanted + found) // (2 * found))

    return side(width), side(height)
