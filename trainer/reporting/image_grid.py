"""A grid of images, each with its class under it.

    shown = labelled(batch, card.classes)      # [(image, ("dog 0.83", "cat 0.17")), …]
    picture = draw(shown[:32], columns=8, file_format="PNG")

Small images are enlarged by a whole number, so that every pixel is one square of the grid's;
nothing is made smaller. Image i lies in row i // columns; `place` says at which pixels.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIDE = 128  # of an image, about
_GAP, _FONT_SIZE, _LINE = 6, 12, 15
_FONT = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

# An image, uint8 `[rows, columns, channels]`, and the lines under it.
Labelled = tuple[np.ndarray, tuple[str, ...]]


def labelled(batch: Mapping, classes: Sequence[str]) -> list[Labelled]:
    """The images of a batch of `stream.training`, with their classes; of mixed images with both,
    and the share of each."""
    batch = {name: np.asarray(values) for name, values in batch.items()}
    names = [(classes[label],) for label in batch["label"]]
    if "share" in batch:
        both = zip(names, batch["other_label"], batch["share"], strict=True)
        names = [
            (f"{own} {share:.2f}", f"{classes[other]} {1 - share:.2f}")
            for (own,), other, share in both
        ]
    return list(zip(batch["image"], names, strict=True))


def draw(shown: Sequence[Labelled], columns: int, file_format: str) -> bytes:
    """Draws images of one size, row by row from the left.

    Returns:
        The bytes of a file of this format, `PNG` or `JPEG`.
    """
    shape, lines = shown[0][0].shape, len(shown[0][1])
    scale = _scale(shape)
    across = min(columns, len(shown))
    top, left = place(len(shown) - 1, columns, shape, lines)
    _, right = place(across - 1, columns, shape, lines)
    height = top + shape[0] * scale + lines * _LINE + _GAP
    picture = Image.new("RGB", (right + shape[1] * scale + _GAP, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(_FONT, _FONT_SIZE)
    for number, (image, texts) in enumerate(shown):
        top, left = place(number, columns, shape, lines)
        large = np.repeat(np.repeat(image, scale, 0), scale, 1)
        picture.paste(Image.fromarray(np.broadcast_to(large, (*large.shape[:2], 3))), (left, top))
        for line, text in enumerate(texts):
            baseline = top + shape[0] * scale + line * _LINE
            pen.text((left, baseline), _cut(text, shape[1] * scale, font), "black", font)
    file = io.BytesIO()
    picture.save(file, file_format)
    return file.getvalue()


def place(number: int, columns: int, shape: tuple[int, int, int], lines: int) -> tuple[int, int]:
    """The top row and the left column of an image in the grid's picture."""
    scale = _scale(shape)
    height, width = shape[0] * scale + lines * _LINE + _GAP, shape[1] * scale + _GAP
    row, column = divmod(number, columns)
    return _GAP + row * height, _GAP + column * width


def _scale(shape: tuple[int, int, int]) -> int:
    return max(1, round(_SIDE / max(shape[:2])))


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """A text, or so much of its beginning as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
