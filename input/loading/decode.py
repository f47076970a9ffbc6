"""One record of a dataset, from serialized `tf.train.Example` to pixels.

Decoding is the same for training, evaluation and the exported model, so that a served model sees
what it was trained on.
"""

import tensorflow as tf

from input.augment import resized_crops
from input.dataset.dataset_dir import Card

_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "shape": tf.io.FixedLenFeature([3], tf.int64),
}
_SEVERAL_LABELS = {"label": tf.io.RaggedFeature(tf.int64)}


def parse(record: tf.Tensor, card: Card) -> tuple[tf.Tensor, tf.Tensor]:
    """Read one record.

    Args:
        record: string scalar, a serialized `tf.train.Example`.
        card: of the dataset the record comes from.

    Returns:
        The image, uint8 `[height, width, channels]`, and the label, an int64 scalar; of a
        multi-label dataset which classes it has, 0 or 1, uint8 `[classes]`.
    """
    kinds = _FEATURES | (_SEVERAL_LABELS if card.multi_label else {})
    features = tf.io.parse_single_example(record, kinds)
    label = features["label"]
    if card.multi_label:
        one_hot = tf.one_hot(label, len(card.classes), dtype=tf.uint8)
        label = tf.reduce_max(tf.pad(one_hot, [[1, 0], [0, 0]]), 0)  # of none it is the padding
    return pixels(features["image"], features["shape"], card), label


def pixels(stored: tf.Tensor, shape: tf.Tensor, card: Card) -> tf.Tensor:
    """Return the image of a record.

    Args:
        stored: as the card's encoding says; string scalar.
        shape: rows, columns and channels, int64 `[3]`; of images of one size `[images, 3]` with
            `stored` a vector, where the encoding is bare pixels.
        card: of the dataset.

    Returns:
        uint8 `[height, width, channels]`, or `[images, height, width, channels]`.
    """
    if not card.bare:
        return decode(stored, card.channels)
    kind = tf.uint8 if card.encoding == "raw" else tf.float32
    if shape.shape.rank == 2:
        shape = tf.concat([tf.shape(shape, tf.int64)[:1], shape[0]], 0)
    image = tf.reshape(tf.io.decode_raw(stored, kind), shape)
    if kind == tf.float32:
        image = tf.cast(tf.round(image * 255.0), tf.uint8)
    return tf.ensure_shape(image, [None] * (image.shape.rank - 1) + [card.channels])


def part(
    stored: tf.Tensor, shape: tf.Tensor, window: tf.Tensor, card: Card, size: tuple[int, int]
) -> tf.Tensor:
    """Return a part of the image of a record, brought to size; little more than it is decoded.

    Args:
        stored: as the card's encoding says; string scalar.
        shape: rows, columns and channels, int64 `[3]`.
        window: int32 `[4]`: top row, left column, rows and columns.
        card: of the dataset.
        size: rows and columns wanted.

    Returns:
        uint8 `[*size, channels]`.
    """
    if card.bare:
        cut = resized_crops.cut(pixels(stored, shape, card), window)
    else:
        cut = resized_crops.decode(stored, window, card.channels, size)
    return resized_crops.resize(cut, size)


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode a JPEG, PNG, GIF (first frame) or BMP file: uint8 `[height, width, channels]`.

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
