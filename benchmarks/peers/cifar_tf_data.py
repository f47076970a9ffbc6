"""Plain tf.data on CIFAR-10's raw records: a shuffle buffer, pad-and-crop, flip, batch, prefetch.

TFRecords are interleaved, and `random_crop` and `random_flip_left_right` applied to one image at a
time, as in TensorFlow's guides; uint8 out. SOURCE has the shards.
"""

import measure
import tensorflow as tf

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
}
SHUFFLE = 10_000


def parsed(source):
    """Return an endless dataset of single images, uint8 `[32, 32, 3]`, and labels, shuffled."""
    files = tf.data.Dataset.list_files(str(source / "*train.tfrecord*"), shuffle=True)
    records = files.interleave(
        tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
    )

    def parse(record):
        features = tf.io.parse_single_example(record, FEATURES)
        pixels = tf.io.decode_raw(features["image"], tf.uint8)
        return tf.reshape(pixels, [32, 32, 3]), features["label"]

    return records.shuffle(SHUFFLE).repeat().map(parse, tf.data.AUTOTUNE, deterministic=False)


def images(source, batch):
    """Return an endless dataset of batches of images."""

    def vary(image, label):
        padded = tf.pad(image, [[4, 4], [4, 4], [0, 0]], "REFLECT")
        return tf.image.random_flip_left_right(tf.image.random_crop(padded, [32, 32, 3])), label

    varied = parsed(source).map(vary, tf.data.AUTOTUNE, deterministic=False)
    return varied.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate((image for image, _ in images(asked.source, asked.batch)), asked)
