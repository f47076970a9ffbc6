"""Random crops of a batch of images that have one size.

    images = crops.pad_and_crop(images, rng, pad=4, fill="reflect")    # 32×32 stay 32×32
    images = crops.random_crop(images, rng, size=(227, 227))           # of 256×256

For crops of images that differ in size, see `resized_crops`.
"""

import tensorflow as tf

from input.augment.rng import BatchRng

FILLS = ("reflect", "constant")


def pad_and_crop(
    images: tf.Tensor, rng: BatchRng, pad: int, fill: str = "reflect", fill_value: int = 0
) -> tf.Tensor:
    """Move each image by up to `pad` pixels up or down and left or right.

    That is, adds a border and crops the old size at a random place (He et al. 2016, 4.2, with
    zeros).

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: of the batch.
        pad: pixels of border on each side, less than the shorter side.
        fill: the border: "reflect", the image mirrored at its outermost pixels, or "constant".
        fill_value: 0-255, of a constant border.

    Returns:
        uint8, the shape of `images`.
    """
    rows, columns, channels = images.shape[1:]
    count = tf.shape(images)[0]
    pixels = tf.reshape(images, [-1, channels])
    outside = tf.shape(pixels)[0]
    if fill == "constant":
        pixels = tf.concat([pixels, tf.fill([1, channels], tf.cast(fill_value, tf.uint8))], 0)

    shift = tf.cast(rng.uniform("pad and crop", 2) * (2 * pad + 1), tf.int32) - pad
    places = []
    for axis, length in enumerate((rows, columns)):
        place = shift[:, axis, None] + tf.range(length)
        if fill == "constant":
            inside = (place >= 0) & (place < length)
            # So far out that it stays outside whatever is added to it.
            place = tf.where(inside, place, outside)
        else:
            place = length - 1 - tf.abs(length - 1 - tf.abs(place))
        places.append(place)
    row, column = places
    row = tf.where(row == outside, row, (row + rows * tf.range(count)[:, None]) * columns)
    # One gather of single pixels; a border that is really added costs three times as much.
    place = tf.minimum(row[:, :, None] + column[:, None, :], outside)
    return tf.ensure_shape(tf.gather(pixels, place), images.shape)


def random_crop(images: tf.Tensor, rng: BatchRng, size: tuple[int, int]) -> tf.Tensor:
    """Cut a part out of each image, each place as likely as any other; PyImageSearch's "patch".

    Args:
        images: uint8 `[batch, rows, columns, channels]`, of static size.
        rng: of the batch.
        size: rows and columns to keep; at most those of the images.

    Returns:
        uint8 `[batch, size[0], size[1], channels]`.
    """
    rows, columns, channels = images.shape[1:]
    if (rows, columns) == tuple(size):
        return images
    places = tf.constant([rows - size[0] + 1, columns - size[1] + 1], tf.float32)
    corners = tf.cast(rng.uniform("random crop", 2) * places, tf.int32)

    def crop(image_and_corner: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, corner = image_and_corner
        return tf.slice(image, tf.concat([corner, [0]], 0), [*size, channels])

    # Copies rows whole: at 227×227 a quarter of the time that a gather of pixels takes.
    cut = tf.map_fn(crop, (images, corners), fn_output_signature=tf.uint8)
    return tf.ensure_shape(cut, [images.shape[0], *size, channels])
