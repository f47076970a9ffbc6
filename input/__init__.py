"""From a dataset directory to batches (tf.data)."""
