"""Rotation, shift, shear, zoom and flips as one projective warp of a batch.

As `ImageDataGenerator` of Keras in 2017 composed them, which Rosebrock's book used (Deep Learning
for Computer Vision with Python, 2017): a pixel at (row, column) from the image's centre takes the
value at

    rotation · shift · shear · zoom · flip · (row, column)

from the centre, interpolated between the four pixels around it. So positive angles turn clockwise,
positive shifts move the picture up and left, and zooms below 1 magnify. (The Keras of today reads
shear as degrees, and shifts columns where it is to shift rows.)

    images = warp.random_warp(images, rng, rotation=18, width_shift=0.2, height_shift=0.2,
                              shear=0.15, zoom=0.15, horizontal_flip=True)
"""

import math
from collections.abc import Callable

import tensorflow as tf

from input.augment.rng import BatchRng

FILLS = ("nearest", "reflect", "constant")

_HALF = 0.5


def random_warp(
    images: tf.Tensor,
    rng: BatchRng,
    *,
    rotation: float = 0.0,
    width_shift: float = 0.0,
    height_shift: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    fill: str = "nearest",
    fill_value: float = 0.0,
) -> tf.Tensor:
    """Warp each image by amounts drawn uniformly; with flips only, or nothing, does not warp.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: random numbers of the batch.
        rotation: at most so many degrees, either way.
        width_shift: at most this fraction of the columns, either way.
        height_shift: at most this fraction of the rows, either way.
        shear: at most so many radians, either way.
        zoom: factors of rows and of columns, drawn apart, lie in [1 - zoom, 1 + zoom]; below 1.
        horizontal_flip: mirror left and right of half of the images.
        vertical_flip: mirror top and bottom of half of the images.
        fill: what lies beyond the border, one of `FILLS`: the outermost pixel, the image mirrored
            (its outermost pixels twice), or `fill_value`.
        fill_value: level beyond the border for "constant", 0-255.

    Returns:
        uint8, the shape of `images`.
    """
    if not (rotation or width_shift or height_shift or shear or zoom):
        return flip(images, rng, horizontal=horizontal_flip, vertical=vertical_flip)
    rows, columns = images.shape[1:3]

    def amounts(name: str, most: float) -> tf.Tensor:
        return rng.uniform(f"warp {name}", low=-most, high=most)

    transforms = matrices(
        (rows, columns),
        rotation=amounts("rotation", rotation * math.pi / 180.0),
        row_shift=amounts("row shift", height_shift * rows),
        column_shift=amounts("column shift", width_shift * columns),
        shear=amounts("shear", shear),
        row_zoom=1.0 + amounts("row zoom", zoom),
        column_zoom=1.0 + amounts("column zoom", zoom),
        mirror_rows=_mirrors(rng, "vertical", vertical_flip),
        mirror_columns=_mirrors(rng, "horizontal", horizontal_flip),
    )
    return apply(images, transforms, fill, fill_value)


def flip(
    images: tf.Tensor, rng: BatchRng, *, horizontal: bool = True, vertical: bool = False
) -> tf.Tensor:
    """Mirror half of the images left to right, and half of them top to bottom; copies pixels.

    The images that are mirrored are those that `random_warp` mirrors.

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: random numbers of the batch.
        horizontal: mirror left and right of half of them.
        vertical: mirror top and bottom of half of them.

    Returns:
        uint8, the shape of `images`.
    """
    if horizontal:
        images = _change_some(images, _mirrors(rng, "horizontal", True), _reverse_columns)
    if vertical:
        mirrors = _mirrors(rng, "vertical", True)
        images = _change_some(images, mirrors, lambda images: tf.reverse(images, [1]))
    return images


def mirrors(rng: BatchRng, happens: bool) -> tf.Tensor:
    """Choose what `flip` mirrors left to right, bool `[batch]`; nothing if it never `happens`."""
    return _mirrors(rng, "horizontal", happens)


def matrices(
    size: tuple[int, int],
    *,
    rotation: tf.Tensor,
    row_shift: tf.Tensor,
    column_shift: tf.Tensor,
    shear: tf.Tensor,
    row_zoom: tf.Tensor,
    column_zoom: tf.Tensor,
    mirror_rows: tf.Tensor,
    mirror_columns: tf.Tensor,
) -> tf.Tensor:
    """Compose what takes a place of the warped image to its place in the original.

    Args:
        size: rows and columns of the images.
        rotation: radians, clockwise, `[count]`.
        row_shift: pixels up, `[count]`.
        column_shift: pixels to the left, `[count]`.
        shear: radians, `[count]`.
        row_zoom: rows of the original per row, `[count]`.
        column_zoom: columns of the original per column, `[count]`.
        mirror_rows: bool `[count]`.
        mirror_columns: bool `[count]`.

    Returns:
        float32 `[count, 8]`, as `ImageProjectiveTransformV3` takes them: (columns, rows), counted
        from the middle of the first pixel.
    """
    rotation, shear = tf.cast(rotation, tf.float64), tf.cast(shear, tf.float64)
    sine, cosine = tf.sin(rotation), tf.cos(rotation)
    row_sign, column_sign = (
        tf.where(mirror, tf.constant(-1.0, tf.float64), 1.0)
        for mirror in (mirror_rows, mirror_columns)
    )
    steps = (
        _matrix([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]),
        _matrix([[1, 0, row_shift], [0, 1, column_shift], [0, 0, 1]]),
        _matrix([[1, -tf.sin(shear), 0], [0, tf.cos(shear), 0], [0, 0, 1]]),
        _matrix([[row_zoom, 0, 0], [0, column_zoom, 0], [0, 0, 1]]),
        _matrix([[row_sign, 0, 0], [0, column_sign, 0], [0, 0, 1]]),
    )
    middle_row, middle_column = (size[0] - 1) / 2, (size[1] - 1) / 2
    whole = _matrix([[1, 0, middle_row], [0, 1, middle_column], [0, 0, 1]])
    for step in steps:
        whole = whole @ step
    whole @= _matrix([[1, 0, -middle_row], [0, 1, -middle_column], [0, 0, 1]])

    (row_row, row_column, row_offset), (column_row, column_column, column_offset) = (
        tf.unstack(whole[:, index], axis=-1) for index in (0, 1)
    )
    zero = tf.zeros_like(row_row)
    transforms = tf.stack(
        [column_column, column_row, column_offset, row_column, row_row, row_offset, zero, zero], -1
    )
    return tf.cast(transforms, tf.float32)


def apply(
    images: tf.Tensor, transforms: tf.Tensor, fill: str = "nearest", fill_value: float = 0.0
) -> tf.Tensor:
    """Warp images, bilinear.

    Args:
        images: uint8 `[batch, rows, columns, channels]`.
        transforms: transforms as `matrices` returns them, `[batch, 8]`.
        fill: one of `FILLS`.
        fill_value: level beyond the border for "constant", 0-255.

    Returns:
        uint8, the shape of `images`, rounded to the nearest level.
    """
    # On uint8 the op cuts fractions off: half a level darker on average, and no faster.
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=fill_value,
        interpolation="BILINEAR",
        fill_mode=fill.upper(),
    )
    warped = tf.cast(tf.round(warped), tf.uint8)
    warped.set_shape(images.shape)
    return warped


def _mirrors(rng: BatchRng, name: str, happens: bool) -> tf.Tensor:
    return rng.bernoulli(f"{name} flip", _HALF if happens else 0.0)


def _change_some(
    images: tf.Tensor, mask: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Change the images of a mask; the others are copied whole, and not compared pixel by pixel."""
    places = tf.range(tf.shape(images)[0])
    parts = tf.dynamic_partition(places, tf.cast(mask, tf.int32), 2)
    same, others = (tf.gather(images, part) for part in parts)
    return tf.ensure_shape(tf.dynamic_stitch(parts, [same, change(others)]), images.shape)


def _reverse_columns(images: tf.Tensor) -> tf.Tensor:
    # TensorFlow is quick at this for a single image only: here, all rows one below the other.
    tall = tf.reshape(images, [-1, *images.shape[2:]])
    return tf.reshape(tf.reverse(tall, [1]), tf.shape(images))


def _matrix(rows: list[list[object]]) -> tf.Tensor:
    """Make 3×3 matrices, float64 `[count or 1, 3, 3]`, of numbers and tensors `[count]`."""
    numbers = [tf.reshape(tf.cast(number, tf.float64), [-1]) for row in rows for number in row]
    count = tf.reduce_max([tf.size(number) for number in numbers])
    flat = tf.stack([tf.broadcast_to(number, [count]) for number in numbers], -1)
    return tf.reshape(flat, [-1, 3, 3])
