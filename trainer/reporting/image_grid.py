"""A grid of images, each with its class under it.

    images = first_images(iter(stream.training(…)), card.classes, 32)
    picture = draw(images, columns=8, file_format="PNG")

Small images are enlarged by a whole number, so that every pixel is one square of the grid's;
nothing is made smaller. Image i lies in row i // columns; `pixel_offset` says at which pixels.
"""

import io
from collections.abc import Iterator, Mapping, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIDE = 128  # pixels of an image, about
_GAP, _FONT_SIZE, _LINE = 6, 12, 15
_FONT = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

# An image, uint8 `[rows, columns, channels]`, and the lines under it: ("dog 0.83", "cat 0.17").
CaptionedImage = tuple[np.ndarray, tuple[str, ...]]


def first_images(batches: Iterator, classes: Sequence[str], count: int) -> list[CaptionedImage]:
    """Return the first `count` images of the batches of `stream.training`, with their captions."""
    images: list[CaptionedImage] = []
    while len(images) < count:
        images += with_captions(next(batches), classes)
    return images[:count]


def with_captions(batch: Mapping, classes: Sequence[str]) -> list[CaptionedImage]:
    """Return the images of a batch of `stream.training` with their classes; of mixed images with
    the classes of both, and the share of each."""
    batch = {name: np.asarray(values) for name, values in batch.items()}
    names = class_names(batch["label"], classes)
    captions: list[tuple[str, ...]] = [(name,) for name in names]
    if "share" in batch:
        others = class_names(batch["other_label"], classes)
        mixed = zip(names, others, batch["share"], strict=True)
        captions = [
            (f"{name} {share:.2f}", f"{other} {1 - share:.2f}") for name, other, share in mixed
        ]
    return list(zip(batch["image"], captions, strict=True))


def class_names(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the class of each image, or all its classes, as `a|b`, where it may have several.

    Args:
        labels: int64 `[batch]`, or of several labels uint8 `[batch, classes]`.
        classes: names of the classes.
    """
    if labels.ndim == 1:
        return [classes[int(label)] for label in labels]
    each = ([classes[index] for index in np.flatnonzero(hot).tolist()] for hot in labels)
    return ["|".join(names) or "no class" for names in each]


def draw(images: Sequence[CaptionedImage], columns: int, file_format: str) -> bytes:
    """Draw images of one size, row by row from the left.

    Args:
        images: images and the lines under them, of each as many.
        columns: images in a row.
        file_format: `PNG` or `JPEG`.

    Returns:
        The bytes of a file of this format.
    """
    shape, lines = images[0][0].shape, len(images[0][1])
    scale = _scale(shape)
    top, _ = pixel_offset(len(images) - 1, columns, shape, lines)
    _, right = pixel_offset(min(columns, len(images)) - 1, columns, shape, lines)
    height = top + shape[0] * scale + lines * _LINE + _GAP
    picture = Image.new("RGB", (right + shape[1] * scale + _GAP, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(_FONT, _FONT_SIZE)
    for index, (image, captions) in enumerate(images):
        top, left = pixel_offset(index, columns, shape, lines)
        large = np.repeat(np.repeat(image, scale, 0), scale, 1)
        picture.paste(Image.fromarray(np.broadcast_to(large, (*large.shape[:2], 3))), (left, top))
        for line, text in enumerate(captions):
            baseline = top + shape[0] * scale + line * _LINE
            pen.text((left, baseline), _shorten(text, shape[1] * scale, font), "black", font)
    file = io.BytesIO()
    picture.save(file, file_format)
    return file.getvalue()


def pixel_offset(index: int, columns: int, shape: tuple[int, ...], lines: int) -> tuple[int, int]:
    """Return the top row and the left column of an image in the grid's picture.

    Args:
        index: number of the image, from 0.
        columns: images in a row.
        shape: shape of each image.
        lines: lines of text under each image.
    """
    scale = _scale(shape)
    height, width = shape[0] * scale + lines * _LINE + _GAP, shape[1] * scale + _GAP
    row, column = divmod(index, columns)
    return _GAP + row * height, _GAP + column * width


def _scale(shape: tuple[int, ...]) -> int:
    return max(1, round(_SIDE / max(shape[:2])))


def _shorten(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """Return a text, or so much of its beginning as fits into a width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
