"""Batches of random images and their rng."""

import functools

import numpy as np
import tensorflow as tf

from input.augment.rng import BatchRng


def images(count=8, rows=12, columns=10, channels=3, seed=0) -> np.ndarray:
    shape = (count, rows, columns, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def batch_rng(count=8, step=3, first=0, batch_size=None, seed=1) -> BatchRng:
    return BatchRng(seed, tf.constant(step, tf.int64), batch_size or first + count, first, count)


def assert_augments(augment, batch: np.ndarray, steps: int = 3) -> None:
    """What holds for every augmentation of a batch, in graphs as they run in `tf.data`.

    Images stay uint8; the same twice; another step, other images; two halves are the whole.
    """

    @functools.cache
    def graph(first: int, count: int):
        part = tf.constant(batch[first : first + count])
        return tf.function(lambda step: augment(part, BatchRng(1, step, len(batch), first, count)))

    def run(step: int, first: int, count: int) -> np.ndarray:
        return graph(first, count)(tf.constant(step, tf.int64)).numpy()

    half = len(batch) // 2
    wholes = [run(step, 0, len(batch)) for step in range(steps)]
    for step, whole in enumerate(wholes):
        assert whole.dtype == np.uint8
        np.testing.assert_array_equal(whole, run(step, 0, len(batch)))
        parts = [run(step, 0, half), run(step, half, len(batch) - half)]
        np.testing.assert_array_equal(whole, np.concatenate(parts))
        assert not np.array_equal(whole, wholes[step - 1])
