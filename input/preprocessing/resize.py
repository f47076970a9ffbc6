"""Brings images to a model's input size, as a `Preprocessing` says; nothing here is random.

    preprocessing = Preprocessing((224, 224), resize_to=(256, 256))
    resize.preprocess(image, preprocessing)                    # [224, 224, 3] of any image
    resize.crops(image, (227, 227), mirrors=True)              # [10, 227, 227, 3] of [256, 256, 3]

Training without random crops, evaluation and the exported model all bring images to size by
`preprocess`, so that a served model sees what it was trained on. Crops whose predictions are
averaged are `crops`.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from input.preprocessing.spec import Preprocessing

# More pixels than these are not held for one image, beyond its own: in all, and for each wanted.
_MOST_PIXELS, _MOST_TARGETS = 2**20, 16


def preprocess(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Return what the model sees of an image: uint8 `[*preprocessing.size, channels]`."""
    return centre(resize_image(image, preprocessing), preprocessing.size)


def resize_image(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Bring an image to the size that crops are cut from.

    Args:
        image: uint8 `[height, width, channels]`.
        preprocessing: that size, and the way to it.

    Returns:
        uint8 `[*preprocessing.resize_to, channels]`.
    """
    scale = squash if preprocessing.resize == "squash" else cover
    return scale(image, preprocessing.resize_to)


def centre(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Cut out the centre; where a row or column cannot be halved, there is more below and right.

    Args:
        images: uint8 `[..., rows, columns, channels]`, of static size, at least `size`.
        size: rows and columns of the result.

    Returns:
        uint8 `[..., size[0], size[1], channels]`.
    """
    top, left = (images.shape[-3] - size[0]) // 2, (images.shape[-2] - size[1]) // 2
    return images[..., top : top + size[0], left : left + size[1], :]


def cover(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scale to cover `size` (rows, columns), keeping the aspect ratio, and crop the centre.

    Shrinking averages over areas (antialiased), growing is bicubic. An image of the right size is
    returned as it is. Where the scaled image would have more than 2^20 pixels and more than 16
    times `size`, only the window of the source that is seen is scaled: levels then may differ by
    rounding from those of the whole image scaled and cut, and memory is bounded by the pixels of
    the image and of `size`.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns of the result, in pixels.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """
    target = tf.constant(size, tf.int64)

    def scale_and_crop() -> tf.Tensor:
        source = tf.shape(image, tf.int64)[:2]
        scale = tf.reduce_max(target / source)
        scaled = tf.cast(tf.round(scale * tf.cast(source, tf.float64)), tf.int64)
        scaled = tf.maximum(target, scaled)
        corner = (scaled - target) // 2
        pixels = tf.cond(
            _is_large(tf.reduce_prod(scaled), size),
            lambda: _scale_window(image, scaled, corner, size, scale < 1),
            lambda: _scale_whole(image, scaled, corner, size, scale < 1),
        )
        return _to_levels(pixels)

    return _unless_right(image, size, scale_and_crop)


def squash(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scale rows and columns to `size`, whatever that does to the aspect ratio.

    Shrinking averages over areas (antialiased), growing in both directions is bicubic, as in
    `cover`. An image of the right size is returned as it is. TensorFlow scales rows before columns;
    where rows grow so much that there would be more than 2^20 pixels and more than 16 times `size`
    in between, columns come first, and levels may differ by rounding.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns of the result, in pixels.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """

    def shrink(image: tf.Tensor, size: tuple) -> tf.Tensor:
        return tf.image.resize(image, size, "bilinear", antialias=True)

    def scale() -> tf.Tensor:
        rows, columns = tf.unstack(tf.shape(image)[:2])
        between = tf.cast(columns, tf.int64) * size[0]
        columns_first = (rows < size[0]) & _is_large(between, size)
        pixels = tf.case(
            [
                (columns_first, lambda: shrink(shrink(image, (rows, size[1])), size)),
                ((rows > size[0]) | (columns > size[1]), lambda: shrink(image, size)),
            ],
            lambda: tf.image.resize(image, size, "bicubic"),
        )
        return _to_levels(pixels)

    return _unless_right(image, size, scale)


def crops(image: tf.Tensor, size: tuple[int, int], mirrors: bool = False) -> tf.Tensor:
    """Cut five crops, or ten: the same five mirrored left to right after them.

    The order is that of Rosebrock's `CropPreprocessor` (Deep Learning for Computer Vision with
    Python, Practitioner Bundle, 2017).

    Args:
        image: uint8 `[height, width, channels]`, at least of the size of the crops.
        size: rows and columns of a crop.
        mirrors: whether there are ten.

    Returns:
        uint8 `[5 or 10, size[0], size[1], channels]`: top left, top right, bottom right, bottom
        left, centre.
    """
    bottom, right = tf.unstack(tf.shape(image)[:2] - tf.constant(size, tf.int32))
    corners = [(0, 0), (0, right), (bottom, right), (bottom, 0), (bottom // 2, right // 2)]
    views = tf.stack([tf.slice(image, [*corner, 0], [*size, -1]) for corner in corners])
    if mirrors:
        views = tf.concat([views, tf.reverse(views, [2])], 0)
    views.set_shape([10 if mirrors else 5, *size, image.shape[-1]])
    return views


def _is_large(pixels: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Return whether so many pixels are too many to hold for one image of `size`."""
    return pixels > max(_MOST_PIXELS, _MOST_TARGETS * math.prod(size))


def _scale_whole(
    image: tf.Tensor,
    scaled: tf.Tensor,
    corner: tf.Tensor,
    size: tuple[int, int],
    shrinks: tf.Tensor,
) -> tf.Tensor:
    """Scale an image to `scaled` rows and columns, and cut `size` from `corner` on out of it."""
    scaled = tf.cast(scaled, tf.int32)
    pixels = tf.cond(
        shrinks,
        lambda: tf.image.resize(image, scaled, "bilinear", antialias=True),
        lambda: tf.image.resize(image, scaled, "bicubic"),
    )
    top, left = tf.unstack(corner)
    return pixels[top : top + size[0], left : left + size[1]]


def _scale_window(
    image: tf.Tensor,
    scaled: tf.Tensor,
    corner: tf.Tensor,
    size: tuple[int, int],
    shrinks: tf.Tensor,
) -> tf.Tensor:
    """Do what `_scale_whole` does, and scale nothing but the part of the image that is needed."""
    source = tf.shape(image, tf.int64)[:2]
    scale = scaled / source
    # A pixel of the result is made of those within two pixels around it, of its own or the source.
    reach = tf.maximum(2 / scale, 2) + 1
    first = tf.cast(corner, tf.float64) / scale - reach
    behind = tf.cast(corner + size, tf.float64) / scale + reach
    start = tf.maximum(tf.cast(first, tf.int64), 0)
    stop = tf.minimum(tf.cast(behind, tf.int64), source)
    window = image[start[0] : stop[0], start[1] : stop[1]][None]
    offset = tf.cast(start, tf.float64) * scale - tf.cast(corner, tf.float64)
    scale, offset = tf.cast(scale, tf.float32), tf.cast(offset, tf.float32)

    def resample(kernel: str, antialias: bool) -> tf.Tensor:
        return tf.raw_ops.ScaleAndTranslate(
            images=window,
            size=size,
            scale=scale,
            translation=offset,
            kernel_type=kernel,
            antialias=antialias,
        )[0]

    return tf.cond(
        shrinks,
        lambda: resample("triangle", True),
        lambda: resample("keyscubic", False),
    )


def _to_levels(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def _unless_right(
    image: tf.Tensor, size: tuple[int, int], scale: Callable[[], tf.Tensor]
) -> tf.Tensor:
    same = tf.reduce_all(tf.equal(tf.shape(image)[:2], tf.constant(size, tf.int32)))
    scaled = tf.cond(same, lambda: image, scale)
    scaled.set_shape([*size, image.shape[-1]])
    return scaled
