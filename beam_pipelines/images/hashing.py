"""Hashes of images: of their content, of how they look, and seeded ones that decide an order.

All of it is whole numbers, so that every machine finds the same.
"""

import hashlib

import numpy as np
from PIL import Image

_SIDE, _LOW = 32, 8


def content_hash(pixels: Image.Image) -> str:
    """Return SHA-256 over mode, size and pixels: the same for a picture in any file."""
    digest = hashlib.sha256(repr((pixels.mode, pixels.size)).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def rank(content: str, seed: int, purpose: str) -> int:
    """Return a number of 64 bits, signed, that orders images at random by their content.

    Args:
        content: content hash.
        seed: seed of the order.
        purpose: a word; each gives an independent order.
    """
    salt = f"{seed}:{purpose}".encode()
    digest = hashlib.blake2b(content.encode(), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big", signed=True)


def perceptual_hash(pixels: Image.Image) -> int:
    """Return 64 bits, signed, of which pictures that look alike differ in few.

    The signs, against their median, of the lowest 8×8 frequencies of the grey image at 32×32
    (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010), with the
    cosines as whole numbers.
    """
    grey = pixels.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    # Whole numbers below 2**53 are exact in float64, whatever order they are summed in.
    frequencies = _COSINES @ np.asarray(grey, np.float64) @ _COSINES.T
    frequencies = frequencies.ravel()
    bits = frequencies > np.partition(frequencies[1:], 31)[31]
    return int(np.packbits(bits).view(">i8")[0])


def _cosines() -> np.ndarray:
    """Return the first rows of the discrete cosine transform, in 1/4096."""
    frequency, position = np.ogrid[:_LOW, :_SIDE]
    return np.round(4096 * np.cos(np.pi * frequency * (2 * position + 1) / (2 * _SIDE)))


_COSINES = _cosines()
