"""Brings images to a model's input size, as a `View` says; nothing here is drawn at random.

    sizing.see(image, View((224, 224), base=(256, 256)))       # [224, 224, 3] of any image
    sizing.crops(image, (227, 227), mirrors=True)              # [10, 227, 227, 3] of [256, 256, 3]

Training without random crops, evaluation and the exported model all size images by `see`, so that a
served model sees what it was trained on. Crops whose predictions are averaged are `crops`.
"""

import tensorflow as tf

from input.preprocessing.spec import View


def see(image: tf.Tensor, view: View) -> tf.Tensor:
    """What the model sees of an image: uint8 `[*view.size, channels]`."""
    return centre(to_base(image, view), view.size)


def to_base(image: tf.Tensor, view: View) -> tf.Tensor:
    """The image at the size that crops are cut from: uint8 `[*view.base, channels]`."""
    return (squash if view.how == "squash" else cover)(image, view.base)


def centre(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Cuts out the centre; where a row or column cannot be halved, there is more below and right.

    Args:
        images: uint8 `[..., rows, columns, channels]`, of static size, at least `size`.
        size: rows and columns to keep.
    """
    top, left = (images.shape[-3] - size[0]) // 2, (images.shape[-2] - size[1]) // 2
    return images[..., top : top + size[0], left : left + size[1], :]


def cover(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scales to cover `size` (rows, columns), keeping the aspect ratio, and crops the centre.

    Shrinking averages over areas (antialiased), growing is bicubic, as the seeds' rule of
    INTER_AREA down and INTER_CUBIC up. An image of the right size is returned as it is.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns wanted, in pixels.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """
    wanted = tf.constant(size, tf.int32)

    def scale_and_crop() -> tf.Tensor:
        found = tf.shape(image)[:2]
        scale = tf.reduce_max(wanted / found)
        scaled = tf.maximum(wanted, tf.cast(tf.round(scale * tf.cast(found, tf.float64)), tf.int32))
        pixels = tf.cond(
            scale < 1,
            lambda: tf.image.resize(image, scaled, "bilinear", antialias=True),
            lambda: tf.image.resize(image, scaled, "bicubic"),
        )
        top, left = tf.unstack((scaled - wanted) // 2)
        return _levels(pixels[top : top + size[0], left : left + size[1]])

    return _unless_right(image, size, scale_and_crop)


def squash(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scales rows and columns to `size`, whatever that does to the aspect ratio.

    Shrinking averages over areas (antialiased), growing in both directions is bicubic, as in
    `cover`. An image of the right size is returned as it is.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns wanted, in pixels.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """

    def scale() -> tf.Tensor:
        pixels = tf.cond(
            tf.reduce_any(tf.shape(image)[:2] > tf.constant(size, tf.int32)),
            lambda: tf.image.resize(image, size, "bilinear", antialias=True),
            lambda: tf.image.resize(image, size, "bicubic"),
        )
        return _levels(pixels)

    return _unless_right(image, size, scale)


def crops(image: tf.Tensor, size: tuple[int, int], mirrors: bool = False) -> tf.Tensor:
    """Five crops in the seeds' order, or ten: the same five mirrored left to right after them.

    Args:
        image: uint8 `[height, width, channels]`, at least of the size of the crops.
        size: rows and columns of a crop.
        mirrors: ten crops, not five.

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


def _levels(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def _unless_right(image: tf.Tensor, size: tuple[int, int], scale) -> tf.Tensor:
    same = tf.reduce_all(tf.equal(tf.shape(image)[:2], tf.constant(size, tf.int32)))
    scaled = tf.cond(same, lambda: image, scale)
    scaled.set_shape([*size, image.shape[-1]])
    return scaled
