"""Keras' own way on the photographs: `image_dataset_from_directory` and augmentation layers.

Keras decodes each image in full, scales all of it to 256×256 and batches; layers mapped over the
batches then cut a random 224×224 and flip. So the part it takes is always of the same size and
shape: less varied, and less work, than the others' random resized crop. SOURCE is a folder of class
folders.
"""

import keras
import measure
import tensorflow as tf

WHOLE = 256


def images(source):
    """Return an endless dataset of batches of images."""
    batches = keras.utils.image_dataset_from_directory(
        source, image_size=(WHOLE, WHOLE), batch_size=measure.BATCH
    )
    vary = keras.Sequential(
        [keras.layers.RandomCrop(measure.SIZE, measure.SIZE), keras.layers.RandomFlip("horizontal")]
    )
    varied = batches.map(lambda image, label: (vary(image, training=True), label), tf.data.AUTOTUNE)
    return varied.repeat().prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate((image for image, _ in images(asked.source)), asked)
