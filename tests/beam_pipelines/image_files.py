"""Pictures that look like photos, and files of them with something broken; by seed."""

import io
import random

import numpy as np
from PIL import Image

_HEADER = 700  # bytes, about what comes before the pixels


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A colour picture, columns by rows, with light, shapes and grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[1], : size[0]]
    pixels = np.empty((size[1], size[0], 3))
    for channel in range(3):
        waves = rng.uniform(-0.1, 0.1, (4, 2))
        levels = sum(
            rng.uniform(10, 40) * np.sin(a * rows + b * columns + rng.uniform(0, 6))
            for a, b in waves
        )
        pixels[..., channel] = 128 + levels
    for _ in range(6):
        top, left = rng.integers(0, size[1]), rng.integers(0, size[0])
        pixels[top : top + size[1] // 4, left : left + size[0] // 4] = rng.uniform(0, 255, 3)
    pixels += rng.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def image_bytes(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    stored = io.BytesIO()
    image.copy().save(stored, kind, **options)  # saving leaves traces in an image
    return stored.getvalue()


def damage(data: bytes, chance: random.Random) -> bytes:
    """The bytes of a file after one accident, of any kind."""
    content = bytearray(data)
    return bytes(chance.choice(_ACCIDENTS)(content, chance))


def _flip_bits(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def _cut(content: bytearray, chance: random.Random) -> bytearray:
    return content[: chance.randrange(len(content))]


def _cut_the_end(content: bytearray, chance: random.Random) -> bytearray:
    return content[: -chance.randint(1, 20)]


def _insert(content: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(content))
    content[place:place] = chance.randbytes(chance.randint(1, 200))
    return content


def _remove(content: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(content))
    del content[place : place + chance.randint(1, 500)]
    return content


def _zero(content: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(content))
    content[place : place + 2000] = bytes(len(content[place : place + 2000]))
    return content


def _spoil_the_header(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(min(len(content), _HEADER))] = chance.randrange(256)
    return content


def _put_a_marker(content: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(content))
    content[place : place + 2] = 0xFF, chance.choice((0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xE0, 0xFE))
    return content


_ACCIDENTS = (
    _flip_bits,
    _cut,
    _cut_the_end,
    _insert,
    _remove,
    _zero,
    _spoil_the_header,
    _put_a_marker,
)
