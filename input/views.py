"""Views of an image for evaluation: what a model sees of it when nothing is drawn at random.

The view that keeps the aspect ratio and crops the centre is `records.resize`; here are the plain
resize, and the crops whose predictions are averaged.

    views.crops(image, (227, 227), mirrors=True)      # [10, 227, 227, 3] of [256, 256, 3]
"""

import tensorflow as tf


def squash(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scales rows and columns to `size`, whatever that does to the aspect ratio.

    Shrinking averages over areas (antialiased), growing in both directions is bicubic, as in
    `records.resize`. An image of the right size is returned as it is.

    Args:
        image: uint8 `[height, width, channels]`.
        size: rows and columns wanted, in pixels.

    Returns:
        uint8 `[size[0], size[1], channels]`.
    """
    wanted, found = tf.constant(size, tf.int32), tf.shape(image)[:2]

    def scale() -> tf.Tensor:
        pixels = tf.cond(
            tf.reduce_any(found > wanted),
            lambda: tf.image.resize(image, size, "bilinear", antialias=True),
            lambda: tf.image.resize(image, size, "bicubic"),
        )
        return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)

    squashed = tf.cond(tf.reduce_all(found == wanted), lambda: image, scale)
    squashed.set_shape([*size, image.shape[-1]])
    return squashed


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
