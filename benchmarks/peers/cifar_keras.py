"""Keras' layers in tf.data on CIFAR-10's raw records, applied to batches.

ZeroPadding2D, RandomCrop and RandomFlip, as Keras' guide to preprocessing layers maps them over a
tf.data dataset; float32 out. SOURCE has the shards.
"""

import cifar_tf_data
import keras
import measure
import tensorflow as tf


def images(source, batch):
    """Return an endless dataset of batches of images."""
    layers = keras.layers
    vary = keras.Sequential(
        [layers.ZeroPadding2D(4), layers.RandomCrop(32, 32), layers.RandomFlip("horizontal")]
    )
    batches = cifar_tf_data.parsed(source).batch(batch, drop_remainder=True)
    return batches.map(
        lambda image, label: (vary(tf.cast(image, tf.float32), training=True), label),
        tf.data.AUTOTUNE,
    ).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate((image for image, _ in images(asked.source, asked.batch)), asked)
