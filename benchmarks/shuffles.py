"""How well an order of records is shuffled, and the orders that are compared.

    order = uniform(51_200, seed=0)             # record numbers in the order of their use
    displacement(order)                         # 1.0, give or take
    autocorrelation(sorted_labels(51_200)[order], lag=1)    # 0.0

Labels are those of records stored sorted by class, the hardest case: what lies near in the store is
of one class.
"""

import math

import numpy as np
import tensorflow as tf

from input.sampling import index_shuffle
from input.sampling.order import Order

CLASSES = 10


def sorted_labels(records: int) -> np.ndarray:
    """Return labels of records stored class by class: int64 `[records]`."""
    return np.arange(records) * CLASSES // records


def displacement(order: np.ndarray) -> float:
    """Return the mean distance of records from their place, in multiples of a uniform shuffle's.

    Args:
        order: a permutation, int64 `[records]`.
    """
    return float(np.abs(order - np.arange(len(order))).mean() / _mean_distance(len(order)))


def displacement_deviation(records: int) -> float:
    """Return the standard deviation of `displacement` over uniform shuffles (Spearman's)."""
    variance = (records + 1) * (2 * records**2 + 7) / 45
    return math.sqrt(variance) / records / _mean_distance(records)


def autocorrelation(labels: np.ndarray, lag: int) -> float:
    """Return how much likelier than by chance two records `lag` apart share a class; 1: always.

    Args:
        labels: in the order of use, int64 `[records]`.
        lag: places between the two.
    """
    chance = _chance(labels)
    return float(((labels[lag:] == labels[:-lag]).mean() - chance) / (1 - chance))


def autocorrelation_deviation(labels: np.ndarray) -> float:
    """Return the standard deviation of `autocorrelation` over uniform shuffles, about."""
    chance = _chance(labels)
    return math.sqrt(chance / (1 - chance) / len(labels))


def spread(labels: np.ndarray, batch_size: int) -> float:
    """Return the variance of the class counts of batches, in multiples of a uniform shuffle's.

    Args:
        labels: in the order of use, int64 `[records]`.
        batch_size: divides the number of records.
    """
    records = len(labels)
    share = np.bincount(labels) / records
    batches = labels.reshape(-1, batch_size)
    counts = np.stack([(batches == label).sum(1) for label in range(len(share))], 1)
    drawn = batch_size * (records - batch_size) / (records - 1)
    variance = ((counts - batch_size * share) ** 2).mean(0)
    return float((variance / (drawn * share * (1 - share))).mean())


def headrace(order: Order, epoch: int = 0) -> np.ndarray:
    """Return an epoch of a training stream: int64 `[steps_per_epoch * batch_size]`."""
    first = epoch * order.steps_per_epoch
    steps = tf.data.Dataset.range(first, first + order.steps_per_epoch)
    batches = steps.map(lambda step: index_shuffle.batch(order, step))
    return np.concatenate(list(batches.as_numpy_iterator()))


def tf_data(records: int, buffer: int, seed: int) -> np.ndarray:
    """Return tf.data's own shuffle, through a buffer of so many records: int64 `[records]`."""
    dataset = tf.data.Dataset.range(records).shuffle(buffer, seed=seed)
    return np.array(list(dataset.as_numpy_iterator()))


def uniform(records: int, seed: int) -> np.ndarray:
    """Return NumPy's permutation: int64 `[records]`."""
    return np.random.default_rng(seed).permutation(records)


def _mean_distance(records: int) -> float:
    return (records**2 - 1) / (3 * records)


def _chance(labels: np.ndarray) -> float:
    """Return the chance that two different records are of one class."""
    counts = np.bincount(labels)
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))
