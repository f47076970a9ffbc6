"""The operations of published augmentation policies, as Pillow does them, on one uint8 image.

AutoAugment, RandAugment and TrivialAugment were found and measured with Pillow's operations, so
these give Pillow's pixels exactly (tested against it): its rounding, which cuts fractions off, its
integer grey, its tables and its fixed-point coordinates.

    posterized = apply(image, tf.constant(NAMES.index("Posterize")), tf.constant(4.0))

Every operation takes an image, uint8 `[rows, columns, channels]` of 1 or 3 channels, and one
float32 scalar, and gives an image of the same shape. Only the one that is asked for is computed.
"""

import math
from collections.abc import Callable

import tensorflow as tf

# What lies outside a sheared, moved or turned image: the middle of the range, near most means.
GREY = 128

# Pillow's integer weights of red, green and blue in grey, of 65,536 (ITU-R 601).
_GREY_WEIGHTS = (19595, 38470, 7471)


def identity(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Return the image as it is."""
    return image


def shear_x(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Shear: read row y from `factor` × y columns further right; `factor` is the tangent."""
    return _affine(image, (1, factor, 0), (0, 1, 0))


def shear_y(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Shear: read column x from `factor` × x rows further down; `factor` is the tangent."""
    return _affine(image, (1, 0, 0), (factor, 1, 0))


def translate_x(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Move the image left by `pixels`."""
    return _affine(image, (1, 0, pixels), (0, 1, 0))


def translate_y(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Move the image up by `pixels`."""
    return _affine(image, (1, 0, 0), (0, 1, pixels))


def rotate(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Turn the image about its centre, counter-clockwise."""
    angle = -tf.cast(degrees, tf.float64) * (math.pi / 180)
    cosine, sine = (tf.round(f(angle) * 1e15) / 1e15 for f in (tf.cos, tf.sin))
    rows, columns = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float64) / 2)
    right = columns - cosine * columns - sine * rows
    down = rows + sine * columns - cosine * rows
    return _affine(image, (cosine, sine, right), (-sine, cosine, down))


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Move away from black: 0 is black, 1 the image."""
    return _blend(0.0, image, factor)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Move away from the grey image: 0 is grey, 1 the image. A grey image stays as it is."""
    if image.shape[-1] == 1:
        return image
    return _blend(tf.cast(_grey(image), tf.float32), image, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Move away from the image's mean grey, a whole level: 0 is that grey all over, 1 the image."""
    grey = tf.cast(_grey(image), tf.int64)
    mean = tf.floor(tf.reduce_sum(grey) / tf.size(grey, tf.int64) + 0.5)
    return _blend(tf.cast(mean, tf.float32), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Move away from the smoothed image: 0 is smooth, 1 the image, 2 sharper. The border stays."""
    pixels = tf.cast(image, tf.float32)
    # Smooth is the mean of 3×3 pixels with the middle one five times: (9 × mean + 4 × it) / 13.
    mean = tf.nn.avg_pool2d(pixels[None], 3, 1, "SAME")[0]
    smooth = tf.round((9 * mean + 4 * pixels) / 13)
    row, column = (_within(tf.shape(image)[axis]) for axis in (0, 1))
    inside = row[:, None, None] & column[:, None]
    return _blend(tf.where(inside, smooth, pixels), image, factor)


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keep the highest `bits` bits of each level, 0 to 8."""
    mask = 256 - tf.bitwise.left_shift(1, 8 - tf.cast(bits, tf.int32))
    return tf.bitwise.bitwise_and(image, tf.cast(mask, tf.uint8))


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Invert levels of `threshold` and above; 256 inverts none."""
    levels = tf.range(256, dtype=tf.float32)
    table = tf.where(levels < threshold, levels, 255 - levels)
    return tf.gather(tf.cast(table, tf.uint8), tf.cast(image, tf.int32))


def invert(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Return the negative."""
    return 255 - image


def auto_contrast(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Stretch each channel so that its darkest level becomes 0 and its lightest 255."""
    low, high = (
        tf.cast(f(image, (0, 1)), tf.float64)[:, None] for f in (tf.reduce_min, tf.reduce_max)
    )
    scale = tf.math.divide_no_nan(tf.constant(255, tf.float64), high - low)
    levels = tf.range(256, dtype=tf.float64)
    stretched = tf.clip_by_value(levels * scale + -low * scale, 0, 255)
    return _look_up(image, tf.where(high > low, stretched, levels))


def equalize(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """Map each channel so that its levels are about equally frequent."""
    channels = image.shape[-1]
    histogram = tf.reshape(
        tf.math.bincount(_by_channel(image), minlength=256 * channels), [channels, 256]
    )
    highest = tf.cast(tf.reduce_max(image, (0, 1)), tf.int32)
    of_highest = tf.gather(histogram, highest[:, None], batch_dims=1)
    step = (tf.reduce_sum(histogram, 1, keepdims=True) - of_highest) // 255
    below = tf.cumsum(histogram, 1, exclusive=True)
    equal = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    return _look_up(image, tf.where(step > 0, equal, tf.range(256)))


# The names that the papers use.
OPS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "Identity": identity,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "Brightness": brightness,
    "Color": color,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
    "Invert": invert,
}
NAMES = tuple(OPS)


def apply(image: tf.Tensor, op: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Do one operation to an image.

    Args:
        image: uint8 `[rows, columns, channels]`.
        op: which of `NAMES`, int32 scalar.
        value: the operation's own, float32 scalar.
    """
    branches = [lambda function=function: function(image, value) for function in OPS.values()]
    done = tf.switch_case(op, branches)
    done.set_shape(image.shape)
    return done


def _affine(image: tf.Tensor, column: tuple, row: tuple) -> tf.Tensor:
    """Read each pixel where (a x + b y + c) of `column` and of `row` say, nearest.

    In 1/65,536 of a pixel, as Pillow does, so the same pixel is read where two are equally near.
    """
    rows, columns = tf.unstack(tf.shape(image)[:2])
    x, y = tf.range(columns), tf.range(rows)[:, None]

    def read_from(coefficients: tuple, size: tf.Tensor) -> tf.Tensor:
        a, b, c = (tf.cast(value, tf.float64) for value in coefficients)
        a, b, c = (_fixed(value) for value in (a, b, c + a * 0.5 + b * 0.5))
        place = tf.bitwise.right_shift(a * x + b * y + c, 16)
        return tf.clip_by_value(place, -1, size) + 1

    framed = tf.pad(image, [[1, 1], [1, 1], [0, 0]], constant_values=GREY)
    index = read_from(row, rows) * (columns + 2) + read_from(column, columns)
    return tf.gather(tf.reshape(framed, [-1, image.shape[-1]]), index)


def _fixed(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.floor(value * 65536 + 0.5), tf.int32)


def _blend(origin: float | tf.Tensor, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    pixels = origin + factor * (tf.cast(image, tf.float32) - origin)
    return tf.cast(tf.clip_by_value(pixels, 0, 255), tf.uint8)


def _grey(image: tf.Tensor) -> tf.Tensor:
    """Return the level of grey, int32 `[rows, columns, 1]`."""
    levels = tf.cast(image, tf.int32)
    if image.shape[-1] == 1:
        return levels
    weighted = tf.add_n([levels[..., c : c + 1] * w for c, w in enumerate(_GREY_WEIGHTS)])
    return tf.bitwise.right_shift(weighted + 0x8000, 16)


def _within(size: tf.Tensor) -> tf.Tensor:
    """Return all but the first and the last; bool `[size]`."""
    place = tf.range(size)
    return (place > 0) & (place < size - 1)


def _by_channel(image: tf.Tensor) -> tf.Tensor:
    """Return levels, those of channel c from 256 × c on; int32 `[rows, columns * channels]`."""
    rows, columns, channels = tf.unstack(tf.shape(image))
    # In long lines: it is slow to add three numbers to each pixel.
    levels = tf.reshape(image, [rows, columns * channels])
    return tf.cast(levels, tf.int32) + tf.tile(256 * tf.range(channels), [columns])


def _look_up(image: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Return each level's entry in the table of its channel, `[channels, 256]`."""
    levels = tf.gather(tf.reshape(tf.cast(table, tf.uint8), [-1]), _by_channel(image))
    return tf.reshape(levels, tf.shape(image))
