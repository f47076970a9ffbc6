"""A grid of images, each with its class under it.

    images = first_images(iter(stream.training(…)), card.classes, 32)
    picture = draw(images, columns=8, file_format="PNG")

Small images are enlarged by a whole number, so that every pixel is one square of the grid's;
nothing is made smaller. Image i lies in row i // columns; `position` gives its pixels.
"""

import io
from collections.abc import Iterator, Mapping, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIDE = 128  # pixels of an image, about
_GAP, _FONT_SIZE, _LINE_HEIGHT = 6, 12, 15
_FONT = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

# An image, uint8 `[rows, columns, channels]`, and the lines under it: ("dog 0.83", "cat 0.17").
CaptionedImage = tuple[np.ndarray, tuple[str, ...]]


def first_images(batches: Iterator, classes: Sequence[str], count: int) -> list[CaptionedImage]:
    """Return the first `count` images of the batches of `stream.training`, with their captions."""
    images: list[CaptionedImage] = []
    while len(images) < count:
        images += caption(next(batches), classes)
    return images[:count]


def caption(batch: Mapping, classes: Sequence[str]) -> list[CaptionedImage]:
    """Return the images of a batch, with their classes; of mixed images with both, and the share
    of each."""
    arrays = {name: np.asarray(values) for name, values in batch.items()}
    names = [classes[label] for label in arrays["label"]]
    captions: list[tuple[str, ...]] = [(name,) for name in names]
    if "share" in arrays:
        other_names = [classes[label] for label in arrays["other_label"]]
        captions = [
            (f"{name} {share:.2f}", f"{other_name} {1 - share:.2f}")
            for name, other_name, share in zip(names, other_names, arrays["share"], strict=True)
        ]
    return list(zip(arrays["image"], captions, strict=True))


def draw(images: Sequence[CaptionedImage], columns: int, file_format: str) -> bytes:
    """Draw images of one size, row by row from the left.

    Returns:
        The bytes of a file of this format, `PNG` or `JPEG`.
    """
    shape, lines = images[0][0].shape, len(images[0][1])
    scale = _scale(shape)
    top, _ = position(len(images) - 1, columns, shape, lines)
    _, left = position(min(columns, len(images)) - 1, columns, shape, lines)
    height = top + shape[0] * scale + lines * _LINE_HEIGHT + _GAP
    grid = Image.new("RGB", (left + shape[1] * scale + _GAP, height), "white")
    pen, font = ImageDraw.Draw(grid), ImageFont.truetype(_FONT, _FONT_SIZE)
    for index, (image, texts) in enumerate(images):
        top, left = position(index, columns, shape, lines)
        large = np.repeat(np.repeat(image, scale, 0), scale, 1)
        grid.paste(Image.fromarray(np.broadcast_to(large, (*large.shape[:2], 3))), (left, top))
        for line, text in enumerate(texts):
            text_top = top + shape[0] * scale + line * _LINE_HEIGHT
            pen.text((left, text_top), _truncate(text, shape[1] * scale, font), "black", font)
    file = io.BytesIO()
    grid.save(file, file_format)
    return file.getvalue()


def position(index: int, columns: int, shape: tuple[int, int, int], lines: int) -> tuple[int, int]:
    """Return the top row and the left column of an image in the grid's picture.

    Args:
        index: index of the image.
        columns: images in a row of the grid.
        shape: rows, columns and channels of each image.
        lines: lines under each.
    """
    scale = _scale(shape)
    height, width = shape[0] * scale + lines * _LINE_HEIGHT + _GAP, shape[1] * scale + _GAP
    row, column = divmod(index, columns)
    return _GAP + row * height, _GAP + column * width


def _scale(shape: tuple[int, int, int]) -> int:
    return max(1, round(_SIDE / max(shape[:2])))


def _truncate(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """Return a text, or so much of its beginning as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
