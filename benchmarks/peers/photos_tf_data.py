"""Plain tf.data on the photographs, as TensorFlow's guide to performance builds it.

Interleaved TFRecords, a shuffle buffer, a window of `sample_distorted_bounding_box`, fused
`decode_and_crop_jpeg`, a bilinear resize, flip, batch, prefetch, all on AUTOTUNE and without a
promise of order. float32 as the resize gives it, or cast to uint8. SOURCE has the shards.
"""

import measure
import tensorflow as tf

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def images(source, dtype):
    """Return an endless dataset of batches of images."""
    files = tf.data.Dataset.list_files(str(source / "*train.tfrecord*"), shuffle=True)
    records = files.interleave(
        tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
    )

    def vary(record):
        features = tf.io.parse_single_example(record, FEATURES)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.image.extract_jpeg_shape(features["image"]),
            bounding_boxes=tf.zeros([1, 0, 4]),
            min_object_covered=0.0,
            area_range=measure.AREA,
            aspect_ratio_range=measure.RATIO,
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.concat([begin[:2], size[:2]], 0)
        image = tf.image.decode_and_crop_jpeg(features["image"], window, channels=3)
        image = tf.image.resize(image, [measure.SIZE, measure.SIZE])
        image = tf.cast(tf.image.random_flip_left_right(image), dtype)
        return image, features["label"]

    return (
        records.shuffle(1000)
        .repeat()
        .map(vary, tf.data.AUTOTUNE, deterministic=False)
        .batch(measure.BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


if __name__ == "__main__":
    asked = measure.asked()
    measure.rate((image for image, _ in images(asked.source, asked.dtype)), asked)
