"""A random part of an image at the input size: area and shape drawn, decoded alone, resized.

The augmentation of Inception (Szegedy et al. 2015) as torchvision's `RandomResizedCrop` defines it,
in three steps that a pipeline can place where they cost least:

    windows = resized_crops.windows(rng.uniform("resized crop", 10, 4), shapes)   # for a batch
    part = resized_crops.decode(encoded, window, channels=3, size=(224, 224))       # per image
    image = resized_crops.resize(part, (224, 224))                                  # per image
"""

import math

import tensorflow as tf

TRIES = 10
# JPEG decoders shrink by these on the way, at less than the cost of decoding in full.
_SHRINKS = (1, 2, 4, 8)


def windows(
    numbers: tf.Tensor,
    shape: tf.Tensor,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> tf.Tensor:
    """Choose the part of an image to keep.

    Of several tries the first that fits is taken: a fraction of the area, uniform on `area`, of an
    aspect ratio, log-uniform on `ratio`, at a place, uniform. Where none fits, the largest centred
    part whose ratio is allowed.

    Args:
        numbers: float32 `[..., tries, 4]` in [0, 1): for area, ratio, row and column.
        shape: rows and columns of the image, integer `[..., 2]`.
        area: smallest and largest fraction of the image's area.
        ratio: smallest and largest columns per row.

    Returns:
        Top row, left column, rows and columns, int32 `[..., 4]`, in the image.
    """
    top, left, rows, columns, fits = tries(numbers, shape, area, ratio)
    fallback = tf.cast(_fallback(shape, ratio), tf.float64)
    each = tf.stack([top, left, rows, columns], -1)
    each = tf.concat([each, fallback[..., None, :]], -2)
    fits = tf.concat([fits, tf.ones_like(fits[..., :1])], -1)
    first = tf.argmax(tf.cast(fits, tf.uint8), -1)  # of equals, the first
    return tf.cast(tf.gather(each, first, batch_dims=first.shape.rank, axis=-2), tf.int32)


def tries(
    numbers: tf.Tensor, shape: tf.Tensor, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the parts that the numbers stand for, and whether they fit; as `windows`.

    Returns:
        Top row, left column, rows, columns, float64 of whole numbers, and bool; `[..., tries]`.
    """
    # In float64 a number below 1 times n stays below n, for any n.
    part, shape_of, down, right = tf.unstack(tf.cast(numbers, tf.float64), axis=-1)
    height, width = tf.unstack(tf.cast(shape, tf.float64)[..., None, :], axis=-1)
    pixels = height * width * (area[0] + (area[1] - area[0]) * part)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = tf.exp(low + (high - low) * shape_of)
    rows, columns = tf.round(tf.sqrt(pixels / aspect)), tf.round(tf.sqrt(pixels * aspect))
    fits = (rows >= 1) & (columns >= 1) & (rows <= height) & (columns <= width)
    top = tf.floor(down * (height - rows + 1))
    left = tf.floor(right * (width - columns + 1))
    return top, left, rows, columns, fits


def _fallback(shape: tf.Tensor, ratio: tuple[float, float]) -> tf.Tensor:
    height, width = tf.unstack(tf.cast(shape, tf.float64), axis=-1)
    rows = tf.minimum(height, tf.round(width / ratio[0]))
    columns = tf.minimum(width, tf.round(height * ratio[1]))
    return tf.stack([(height - rows) // 2, (width - columns) // 2, rows, columns], -1)


def decode(
    encoded: tf.Tensor,
    window: tf.Tensor,
    channels: int,
    size: tuple[int, int] | None = None,
) -> tf.Tensor:
    """Decode a part of an image file; of a JPEG, little more than that part.

    The pixels are those of the whole image decoded and cut. Only where a JPEG stores colour at half
    the columns may two columns differ by some levels, because the decoder does not see the colour
    beside them: the first, if it is a multiple of 16, and the last, if it is odd.

    Args:
        encoded: string scalar, a JPEG, PNG, GIF (first frame) or BMP file.
        window: int32 `[4]`: top row, left column, rows and columns, in the image.
        channels: wanted, 1 or 3.
        size: where given, a part of a JPEG that has at least 4, 16 or 64 pixels for each of a
            `size` comes back at a half, a quarter or an eighth of its size, averaged, at less than
            the cost of decoding it in full; its edges move by less than that factor.

    Returns:
        uint8 `[height, width, channels]`, the window's rows and columns divided by the factor.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no such image.
    """
    window = tf.convert_to_tensor(window)

    def jpeg(shrink: int) -> tf.Tensor:
        return tf.image.decode_and_crop_jpeg(
            encoded, window // shrink, channels, ratio=shrink, dct_method="INTEGER_ACCURATE"
        )

    def other() -> tf.Tensor:
        return cut(tf.io.decode_image(encoded, channels, expand_animations=False), window)

    if size is None:
        part = tf.cond(tf.io.is_jpeg(encoded), lambda: jpeg(1), other)
    else:
        sides = tf.cast(window[2:], tf.int64)
        # Of its shorter side, a pixel must be left.
        pixels = tf.minimum(tf.reduce_prod(sides) // math.prod(size), tf.reduce_min(sides) ** 2)
        enough = [pixels >= shrink**2 for shrink in _SHRINKS[1:]]
        level = tf.reduce_sum(tf.cast(enough, tf.int32))
        branch = tf.where(tf.io.is_jpeg(encoded), level, len(_SHRINKS))
        ways = [lambda shrink=shrink: jpeg(shrink) for shrink in _SHRINKS]
        part = tf.switch_case(branch, [*ways, other])
    part.set_shape([None, None, channels])
    return part


def cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return the part of an image `[height, width, channels]` in a window, as `decode` has it."""
    begin, size = tf.concat([window[:2], [0]], 0), tf.concat([window[2:], [-1]], 0)
    part = tf.slice(image, begin, size)
    part.set_shape([None, None, image.shape[-1]])
    return part


def resize(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Bring a part of an image to size, its aspect ratio with it, as cheaply as looks right.

    Bilinear; where there are four pixels or more for each that is wanted, it averages over areas
    (antialiased), at three times the cost.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns wanted.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """
    shape = tf.shape(image)

    def bilinear() -> tf.Tensor:
        # From float32 the op is vectorised: with the conversion, half the time; the same pixels.
        pixels = tf.cast(image, tf.float32)[None]
        return tf.raw_ops.ResizeBilinear(images=pixels, size=size, half_pixel_centers=True)[0]

    def averaged() -> tf.Tensor:
        return tf.image.resize(image, size, "bilinear", antialias=True)

    resized = tf.cond(shape[0] * shape[1] < 4 * size[0] * size[1], bilinear, averaged)
    # Pixels are not negative, so cutting fractions off after adding a half is rounding.
    resized = tf.cast(resized + 0.5, tf.uint8)
    resized.set_shape([*size, image.shape[-1]])
    return resized
