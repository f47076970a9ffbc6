"""Batches made up by class: arithmetic on the labels of a split, and nothing is remembered.

    batch = BATCHES["stratified"](Order(records=100, batch_size=32, lanes=8, seed=1), labels)
    batch(step)               # [32] record indices; of classes at 25/75, 8 and 24

*Stratified*: each batch has the class proportions of the split, exactly where that makes whole
numbers of records, else rounded down or up. For an epoch the records come in a sequence, class
beside class, both in a seeded order; those that fill no batch are taken out at even distances; the
rest go to the batches in turn, as columns of a table that the sequence fills row by row, so each
batch gets the same number of a class, or one more.

*Balanced*: each batch has all classes alike, however many records they have. Classes take turns in
rounds, each a seeded order of them, and a class gives its records in a seeded order, all of them
before one comes again. Records of small classes are repeated, those of large ones come seldom.

Lanes own no data here: a lane is its positions in the batch, and every input pipeline finds the
whole batch and takes its part. Any step costs what the first one does: for stratified batches an
epoch is put in order, in some 0.2 s for a million records, and then nothing until the next epoch.

Random numbers are Philox's, whose sequence NumPy promises not to change. No TensorFlow is imported
here.
"""

import functools
import zlib
from collections.abc import Callable

import numpy as np

from headrace.errors import check as check_usage
from input.sampling.order import Order

_RESHUFFLED = 16  # batches

Batch = Callable[[int], np.ndarray]


def stratified(order: Order, labels: np.ndarray) -> Batch:
    """Make up batches with the class proportions of the split; an epoch has no record twice.

    Args:
        order: order of the stream.
        labels: labels of all records of the split, whole numbers `[records]`.

    Returns:
        A function from a step to the record indices of its global batch, int64 `[batch_size]`.
    """
    seed, records, steps = order.seed, order.records, order.steps_per_epoch
    left_over = records - steps * order.batch_size
    classes, class_index = np.unique(labels, return_inverse=True)
    small = np.min_scalar_type(len(classes))  # a stable sort of small numbers takes linear time

    def sort_by_class(records: np.ndarray, *counter: int) -> np.ndarray:
        rank = _permutation(len(classes), seed, "classes", *counter).astype(small)
        return records[np.argsort(rank[class_index[records]], kind="stable")]

    def split_in_columns(sequence: np.ndarray, batches: int, *counter: int) -> np.ndarray:
        """Return `[batch_size, batches]`, shuffled: neighbours round the same classes up."""
        return sequence.reshape(-1, batches)[:, _permutation(batches, seed, "batches", *counter)]

    @functools.lru_cache(1)
    def epoch_columns(epoch: int) -> np.ndarray:
        sequence = sort_by_class(_permutation(records, seed, "records", epoch), epoch)
        if left_over:
            start = int(_bits(1, seed, "left over", epoch)[0]) % records
            sequence = np.delete(sequence, (np.arange(left_over) * records + start) // left_over)
        return split_in_columns(sequence, steps, epoch)

    @functools.lru_cache(1)
    def few_columns(epoch: int, first: int) -> np.ndarray:
        # In one table a class meets the same classes in all its batches. A table of a few batches
        # alone has the same proportions: theirs lie between those of a batch rounded down and up.
        few = epoch_columns(epoch)[:, first : first + _RESHUFFLED]
        sequence = sort_by_class(few.ravel(), epoch, first + 1)
        return split_in_columns(sequence, few.shape[1], epoch, first + 1)

    def batch(step: int) -> np.ndarray:
        epoch, step_in_epoch = divmod(step, steps)
        column = step_in_epoch % _RESHUFFLED
        record_indices = few_columns(epoch, step_in_epoch - column)[:, column]
        return record_indices[_permutation(len(record_indices), seed, "places", step)]

    return batch


def balanced(order: Order, labels: np.ndarray) -> Batch:
    """Make up batches of classes that take turns; those without records have none.

    Args:
        order: order of the stream; an epoch is a number of steps, no pass over all records.
        labels: as for `stratified`.

    Returns:
        As `stratified`.
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    ends = np.cumsum(counts)
    classes = len(counts)

    @functools.lru_cache(2 * classes)
    def class_records(class_index: int, turn: int) -> np.ndarray:
        """Return a class's records in the order of its nth time through them."""
        records = by_class[ends[class_index] - counts[class_index] : ends[class_index]]
        return records[_permutation(len(records), order.seed, "class", turn, class_index)]

    @functools.lru_cache(1)  # of very many classes, one round fills hundreds of batches
    def class_orders(first: int, last: int) -> np.ndarray:
        """Return the classes of each of some rounds in their order, `[rounds, classes]`."""
        return _permutations(classes, order.seed, "rounds", first, last + 1)

    def batch(step: int) -> np.ndarray:
        positions = step * order.batch_size + np.arange(order.batch_size)
        rounds, in_round = divmod(positions, classes)
        first, last = int(rounds[0]), int(rounds[-1])
        class_indices = class_orders(first, last)[rounds - first, in_round]
        # A round has each class once, so it says how often a class was used before.
        turns, ranks = divmod(rounds, counts[class_indices])
        triples = zip(class_indices.tolist(), turns.tolist(), ranks.tolist(), strict=True)
        return np.array([class_records(index, turn)[rank] for index, turn, rank in triples])

    return batch


BATCHES = {"stratified": stratified, "balanced": balanced}


def check(sampling: str, multi_label: bool) -> None:
    """Make sure that a dataset's batches can be made up this way.

    Raises:
        UsageError: they cannot: by class, where an image may have several.
    """
    check_usage(
        not multi_label or sampling == "natural",
        f"`batch_sampling`={sampling} makes batches of images of one class each, and this "
        "dataset's may have several; leave it out, and balance the loss with "
        "`class_weights`=balanced",
    )


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return what the loss of a class's records is multiplied by, so that all classes count alike.

    The largest class's count over its own, as in Rosebrock's smile detector (Deep Learning for
    Computer Vision with Python, Starter Bundle, 2017): of 9,475 and 3,690 faces, 1 and 2.57.

    Of a multi-label dataset it is what the loss of a class is multiplied by in images that have it.

    Args:
        labels: labels of all records that are trained on, int64 `[records]`; or which classes each
            has, `[records, classes]`.
        classes: number of classes, with records or without.

    Returns:
        float32 `[classes]`, 1 or more; 0 for a class without records.
    """
    several = labels.ndim == 2
    counts = np.count_nonzero(labels, 0) if several else np.bincount(labels, minlength=classes)
    weights = np.zeros(classes, np.float32)
    return np.divide(counts.max(), counts, out=weights, where=counts > 0, casting="same_kind")


def _permutation(length: int, seed: int, name: str, *counter: int) -> np.ndarray:
    """Return the numbers below `length` in an order that `seed`, `name` and `counter` decide."""
    return np.argsort(_bits(length, seed, name, *counter), kind="stable")


def _permutations(length: int, seed: int, name: str, start: int, stop: int) -> np.ndarray:
    """Return a permutation for each of `start` to `stop` - 1, `[stop - start, length]`."""
    blocks = -(-length // 4)  # Philox counts blocks of four words
    bits = _bits((stop - start) * blocks * 4, seed, name, first_block=start * blocks)
    return np.argsort(bits.reshape(stop - start, -1)[:, :length], axis=1, kind="stable")


def _bits(count: int, seed: int, name: str, *counter: int, first_block: int = 0) -> np.ndarray:
    """Return random uint64 `[count]`."""
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    words = np.array([first_block, *counter, 0, 0, 0][:4], np.uint64)
    return np.random.Philox(key=key, counter=words).random_raw(count)
