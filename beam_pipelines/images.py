"""The bytes of an image file → decoded pixels → the bytes that a record holds.

Pixels are uint8, grey (Pillow's mode L) or RGB, upright and without alpha, as the input pipeline's
decoder gives them.
"""

import dataclasses
import hashlib
import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_ORIENTATION = 0x0112  # the EXIF tag
_LOSSY = {"JPEG", "MPO", "WEBP"}
_JPEG_QUALITY = 95
_LEVELS = np.arange(256, dtype=np.int64)

# What Pillow warns of in damaged files is found out by decoding them.
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadImageError(Exception):
    """A file that cannot be used, for one of a few reasons: see `decode`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, " ".join(detail.split())


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A decoded image.

    Attributes:
        pixels: Pillow image of mode L or RGB.
        as_it_is: whether the file's own bytes decode to exactly these pixels in TensorFlow.
        lossy: whether the file's format loses detail, so that a good JPEG keeps all there is.
    """

    pixels: Image.Image
    as_it_is: bool
    lossy: bool

    @property
    def is_grey(self) -> bool:
        """Whether it has one channel."""
        return self.pixels.mode == "L"

    def key(self) -> str:
        """SHA-256 over size and pixels: the same picture in another file has the same key."""
        digest = hashlib.sha256(repr((self.pixels.mode, self.pixels.size)).encode())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()

    def sums(self) -> tuple[list[int], list[int]]:
        """Exact sums over all pixels of the values and of their squares, per channel."""
        histogram = np.asarray(self.pixels.histogram(), np.int64).reshape(-1, 256)
        return (histogram @ _LEVELS).tolist(), (histogram @ _LEVELS**2).tolist()


def decode(data: bytes) -> Decoded:
    """Decodes a whole image file.

    EXIF rotation is applied, CMYK and palettes become RGB, 16-bit grey becomes 8-bit, alpha is
    dropped.

    Args:
        data: the file's bytes.

    Raises:
        BadImageError: with reason `empty`, `not_an_image`, `too_large` (a decompression bomb),
            `truncated` or `undecodable`.
    """
    if not data:
        raise BadImageError("empty", "the file has no bytes")
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        upright = ImageOps.exif_transpose(image)
        as_it_is = _is_read_as_it_is(image, data)
        pixels = _to_eight_bits(upright)
        pixels.info.clear()  # a transparent colour or a profile would be written again
    except UnidentifiedImageError:
        raise BadImageError("not_an_image", f"it begins with {data[:8]!r}") from None
    except Image.DecompressionBombError as error:
        raise BadImageError("too_large", str(error)) from None
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = "truncated" if "truncated" in str(error) else "undecodable"
        raise BadImageError(reason, str(error) or type(error).__name__) from None
    return Decoded(pixels, as_it_is, image.format in _LOSSY)


def encode(data: bytes, image: Decoded, encoding: str, channels: int) -> bytes:
    """What a record's `image` holds.

    Args:
        data: the file's own bytes.
        image: what they decode to.
        encoding: one of `dataset_dir.ENCODINGS`.
        channels: of the dataset, 1 or 3.
    """
    if encoding == "keep":
        if image.as_it_is:
            return data
        encoding = "jpeg" if image.lossy else "png"
    if encoding in ("jpeg", "png"):
        stored = io.BytesIO()
        image.pixels.save(stored, encoding.upper(), quality=_JPEG_QUALITY)
        return stored.getvalue()
    pixels = np.asarray(image.pixels if channels == 1 else image.pixels.convert("RGB"))
    if encoding == "float":
        pixels = pixels.astype("<f4") / np.float32(255)
    return pixels.tobytes()


def thumbnail(image: Decoded, side: int) -> bytes:
    """A small JPEG of the image, `side` pixels along its longer side at most."""
    small = image.pixels.copy()
    small.thumbnail((side, side))
    stored = io.BytesIO()
    small.save(stored, "JPEG", quality=80)
    return stored.getvalue()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        levels = np.clip(np.asarray(image, np.float64) / 257, 0, 255)
        return Image.fromarray(np.round(levels).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels, of unknown range")
    grey = image.mode in ("1", "L", "LA", "La")
    wanted = "L" if grey else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _is_read_as_it_is(image: Image.Image, data: bytes) -> bool:
    if image.format in ("JPEG", "MPO"):
        return image.mode in ("L", "RGB") and image.getexif().get(_ORIENTATION, 1) == 1
    if image.format == "PNG":
        depth, colour_type = data[24], data[25]
        return depth == 8 and colour_type in (0, 2) and "transparency" not in image.info
    return False
