"""One record of a dataset, from serialized `tf.train.Example` to pixels.

Decoding is the same for training, evaluation and the exported model, so that a served model sees
what it was trained on.
"""

import tensorflow as tf

from input.dataset_dir import Card

_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "shape": tf.io.FixedLenFeature([3], tf.int64),
}


def parse(record: tf.Tensor, card: Card) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads one record.

    Args:
        record: string scalar, a serialized `tf.train.Example`.
        card: of the dataset the record comes from.

    Returns:
        The image, uint8 `[height, width, channels]`, and the label, an int64 scalar.
    """
    features = tf.io.parse_single_example(record, _FEATURES)
    return pixels(features["image"], features["shape"], card), features["label"]


def pixels(stored: tf.Tensor, shape: tf.Tensor, card: Card) -> tf.Tensor:
    """The image of a record.

    Args:
        stored: as the card's encoding says; string scalar.
        shape: rows, columns and channels, int64 `[3]`; of images of one size `[images, 3]` with
            `stored` a vector, where the encoding is bare pixels.
        card: of the dataset.

    Returns:
        uint8 `[height, width, channels]`, or `[images, height, width, channels]`.
    """
    if not is_bare(card):
        return decode(stored, card.channels)
    kind = tf.uint8 if card.encoding == "raw" else tf.float32
    if shape.shape.rank == 2:
        shape = tf.concat([tf.shape(shape, tf.int64)[:1], shape[0]], 0)
    image = tf.reshape(tf.io.decode_raw(stored, kind), shape)
    if kind == tf.float32:
        image = tf.cast(tf.round(image * 255.0), tf.uint8)
    return tf.ensure_shape(image, [None] * (image.shape.rank - 1) + [card.channels])


def is_bare(card: Card) -> bool:
    """Whether records hold bare pixels, which need no decoder."""
    return card.encoding in ("raw", "float")


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The bytes of a JPEG, PNG, GIF (first frame) or BMP file as uint8 `[height, width, channels]`.

    A JPEG gives the pixels that `prepare` saw: TensorFlow's default transform is an approximation,
    off by up to 20 levels.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no such image, or it is cut short.
    """
    # TensorFlow's default for JPEG is a quick transform, up to 20 levels off and darker on average
    # than what other decoders give, and `prepare` measured. The accurate one takes no longer.
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(encoded, channels, expand_animations=False),
    )
    image.set_shape([None, None, channels])
    return image


def resize(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
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
        pixels = pixels[top : top + size[0], left : left + size[1]]
        return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)

    same = tf.reduce_all(tf.equal(tf.shape(image)[:2], wanted))
    resized = tf.cond(same, lambda: image, scale_and_crop)
    resized.set_shape([*size, image.shape[-1]])
    return resized
