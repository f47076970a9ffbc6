"""From the bytes of an image file to upright 8-bit pixels, or the reason why not, and back."""

import dataclasses
import io
import logging
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from beam_pipelines.images import integrity

# As many as Pillow begins to warn of.
MAX_PIXELS = 89_478_485

_ORIENTATION = 0x0112  # the EXIF tag
_LOSSY = {"JPEG", "MPO", "WEBP"}
_LEVELS = np.arange(256.0)[:, None] ** (1, 2)

# `decode` has its own bound, and finds out by decoding what Pillow warns of in damaged files.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class BadImageError(Exception):
    """A file that cannot be used, for one of a few reasons: see `decode`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, " ".join(detail.split())


@dataclasses.dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: Pillow image of mode L or RGB.
        verbatim: whether the file's own bytes decode to exactly these pixels in TensorFlow.
        lossy: whether the file's format loses detail, so that a good JPEG keeps all there is.
        has_profile: whether the file has an ICC colour profile, which is not applied.
    """

    pixels: Image.Image
    verbatim: bool
    lossy: bool
    has_profile: bool


def decode(data: bytes, max_pixels: int = MAX_PIXELS, first_frame: bool = False) -> DecodedImage:
    """Decode a whole image file.

    EXIF rotation is applied; CMYK, YCCK and palettes become RGB, 16-bit levels 8-bit; what is
    transparent is laid on white.

    Args:
        data: bytes of the file.
        max_pixels: rows times columns; above it a file is refused before it is decoded.
        first_frame: take the first frame of an animation or a file of several pages.

    Raises:
        BadImageError: with reason `empty`, `not_an_image`, `too_large`, `animated`, `truncated` or
            `undecodable`.
    """
    if not data:
        raise BadImageError("empty", "the file has no bytes")
    try:
        image = Image.open(io.BytesIO(data))
        _check(image, max_pixels, first_frame)
        image.load()
        verbatim = _is_verbatim(image, data)
        has_profile = "icc_profile" in image.info
        pixels = _to_eight_bits(_upright(image))
    except UnidentifiedImageError:
        raise BadImageError("not_an_image", _unknown_format(data)) from None
    except BadImageError:
        raise
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise BadImageError(reason, str(error) or type(error).__name__) from None
    return DecodedImage(pixels, verbatim, image.format in _LOSSY, has_profile)


def _unknown_format(data: bytes) -> str:
    """Return why a file is no image."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1"):
        return "it is HEIC, which is not read; convert it to JPEG"
    return f"no format that is read begins with {data[:8]!r}"


def channel_sums(pixels: Image.Image) -> tuple[list[int], list[int]]:
    """Return exact sums over all pixels of the values and of their squares, per channel."""
    # Whole numbers below 2**53 are exact in float64, whatever order they are summed in.
    histogram = np.asarray(pixels.histogram(), np.float64).reshape(-1, 256)
    totals, squares = (histogram @ _LEVELS).T
    return [int(total) for total in totals], [int(square) for square in squares]


def encode(
    data: bytes,
    image: DecodedImage,
    resized: Image.Image,
    encoding: str,
    channels: int,
    quality: int,
) -> bytes:
    """Return what a record's `image` holds.

    Args:
        data: bytes of the file.
        image: what they decode to.
        resized: pixels to store; `image.pixels` itself when they were not resized.
        encoding: one of `dataset_dir.ENCODINGS`.
        channels: channels of the dataset, 1 or 3.
        quality: quality of a JPEG that is written, 1-100.
    """
    if encoding == "keep":
        if image.verbatim and resized is image.pixels:
            return data
        encoding = "jpeg" if image.lossy else "png"
    if encoding in ("jpeg", "png"):
        stored = io.BytesIO()
        resized.save(stored, encoding.upper(), quality=quality)
        return stored.getvalue()
    pixels = np.asarray(resized if channels == 1 else resized.convert("RGB"))
    if encoding == "float":
        pixels = pixels.astype("<f4") / np.float32(255)
    return pixels.tobytes()


def thumbnail(data: bytes, side: int) -> bytes:
    """Return a small JPEG of a sound image file, `side` pixels along its longer side."""
    image = Image.open(io.BytesIO(data))
    scale = side / max(image.size)
    # A JPEG need not be decoded in full for it.
    image.draft(None, (max(1, round(scale * image.width)), max(1, round(scale * image.height))))
    pixels = _to_eight_bits(_upright(image))
    pixels.thumbnail((side, side))
    stored = io.BytesIO()
    pixels.save(stored, "JPEG", quality=80)
    return stored.getvalue()


def _check(image: Image.Image, max_pixels: int, first_frame: bool) -> None:
    if image.format == "EPS":  # Pillow would run Ghostscript on it, where there is one
        raise BadImageError("not_an_image", "PostScript is a program that draws, it has no pixels")
    if image.width * image.height > max_pixels:
        raise BadImageError(
            "too_large", f"{image.width} x {image.height} pixels, more than --max_pixels"
        )
    if image.width * image.height == 0:
        raise BadImageError("empty", f"it has {image.width} x {image.height} pixels")
    # A phone's MPO holds one picture and its previews.
    frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if frames > 1 and not first_frame:
        raise BadImageError("animated", f"it has {frames} frames; --first_frame takes the first")


def _upright(image: Image.Image) -> Image.Image:
    if image.getexif().get(_ORIENTATION, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode == "F":
        raise ValueError("floating-point pixels, of unknown range")
    if mode.startswith("I"):
        levels = np.clip(np.asarray(image, np.float64) / 257, 0, 255)
        pixels = Image.fromarray(np.round(levels).astype(np.uint8))
    elif mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        pixels = _on_white(image.convert("RGBA"), grey=mode in ("1", "L", "LA", "La"))
    else:
        target = "L" if mode in ("1", "L") else "RGB"
        pixels = image if mode == target else image.convert(target)
    pixels.info = {}  # a transparent colour or a profile would be written again
    return pixels


def _on_white(image: Image.Image, grey: bool) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("L" if grey else "RGB")


def _is_verbatim(image: Image.Image, data: bytes) -> bool:
    if image.format in ("JPEG", "MPO"):
        plain = image.mode in ("L", "RGB") and image.getexif().get(_ORIENTATION, 1) == 1
        return plain and integrity.is_complete_jpeg(data)
    if image.format == "PNG":
        depth, colour_type = data[24], data[25]
        plain = depth == 8 and colour_type in (0, 2) and "transparency" not in image.info
        return plain and getattr(image, "n_frames", 1) == 1 and integrity.is_complete_png(data)
    return False
