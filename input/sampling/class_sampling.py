"""Batches made up by class: arithmetic on the labels of a split, and nothing is remembered.

    find = BATCHES["stratified"](Order(records=100, batch_size=32, lanes=8, seed=1), labels)
    find(step)                # [32] record numbers; of classes at 25/75, 8 and 24

*Stratified*: each batch has the class proportions of the split, exactly where that makes whole
numbers of records, else rounded down or up. For an epoch the records are laid on a line, class
beside class, both in a seeded order; those that fill no batch are taken out at even distances; the
rest are dealt out like cards, so each batch gets the same number of a class, or one more.

*Balanced*: each batch has all classes alike, however many records they have. Classes take turns in
rounds, each a seeded order of them, and a class gives its records in a seeded order, all of them
before one comes again. Records of small classes are repeated, those of large ones come seldom.

Lanes own no data here: a lane is its places in the batch, and every input pipeline finds the whole
batch and takes its part. Any step costs what the first one does: for stratified batches an epoch
is laid out, in some 0.2 s for a million records, and then nothing until the next epoch.

Random numbers are Philox's, whose sequence NumPy promises not to change. No TensorFlow is imported
here.
"""

import functools
import zlib
from collections.abc import Callable

import numpy as np

from input.sampling.order import Order

_DEALT_ANEW = 16  # batches

Find = Callable[[int], np.ndarray]


def stratified(order: Order, labels: np.ndarray) -> Find:
    """Batches with the class proportions of the split; an epoch has no record twice.

    Args:
        order: of the stream.
        labels: of all records of the split, whole numbers `[records]`.

    Returns:
        A function from a step to the numbers of the records of its global batch, int64
        `[batch_size]`.
    """
    seed, records, steps = order.seed, order.records, order.steps_per_epoch
    left_over = records - steps * order.batch_size
    present, own_class = np.unique(labels, return_inverse=True)
    small = np.min_scalar_type(len(present))  # a stable sort of small numbers takes linear time

    def by_class(hand: np.ndarray, *numbers: int) -> np.ndarray:
        place = _permutation(len(present), seed, "classes", *numbers).astype(small)
        return hand[np.argsort(place[own_class[hand]], kind="stable")]

    def dealt(line: np.ndarray, batches: int, *numbers: int) -> np.ndarray:
        """`[batch_size, batches]`; neighbours round the same classes up, so they are shuffled."""
        return line.reshape(-1, batches)[:, _permutation(batches, seed, "batches", *numbers)]

    @functools.lru_cache(1)
    def of_epoch(epoch: int) -> np.ndarray:
        line = by_class(_permutation(records, seed, "records", epoch), epoch)
        if left_over:
            start = int(_bits(1, seed, "left over", epoch)[0]) % records
            line = np.delete(line, (np.arange(left_over) * records + start) // left_over)
        return dealt(line, steps, epoch)

    @functools.lru_cache(1)
    def of_few(epoch: int, first: int) -> np.ndarray:
        # In one deal a class meets the same classes in all its batches. Dealing a few batches anew
        # keeps the proportions: theirs lie between those of a batch rounded down and up.
        few = of_epoch(epoch)[:, first : first + _DEALT_ANEW]
        return dealt(by_class(few.ravel(), epoch, first + 1), few.shape[1], epoch, first + 1)

    def find(step: int) -> np.ndarray:
        epoch, in_epoch = divmod(step, steps)
        place = in_epoch % _DEALT_ANEW
        batch = of_few(epoch, in_epoch - place)[:, place]
        return batch[_permutation(len(batch), seed, "places", step)]

    return find


def balanced(order: Order, labels: np.ndarray) -> Find:
    """Batches of classes that take turns; those without records have none.

    Args:
        order: of the stream; an epoch is a number of steps, no pass over all records.
        labels: as for `stratified`.

    Returns:
        As `stratified`.
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    ends = np.cumsum(counts)
    classes = len(counts)

    @functools.lru_cache(2 * classes)
    def records_of(which: int, turn: int) -> np.ndarray:
        """A class's records in the order of its so-manieth time through them."""
        own = by_class[ends[which] - counts[which] : ends[which]]
        return own[_permutation(len(own), order.seed, "class", turn, which)]

    @functools.lru_cache(1)  # of very many classes, one round fills hundreds of batches
    def orders_of(first: int, last: int) -> np.ndarray:
        """Return the classes of each of some rounds in their order, `[rounds, classes]`."""
        return _permutations(classes, order.seed, "rounds", first, last + 1)

    def find(step: int) -> np.ndarray:
        uses = step * order.batch_size + np.arange(order.batch_size)
        rounds, places = divmod(uses, classes)
        first, last = int(rounds[0]), int(rounds[-1])
        which = orders_of(first, last)[rounds - first, places]
        # A round has each class once, so it says how often a class was used before.
        turns, ranks = divmod(rounds, counts[which])
        asked = zip(which.tolist(), turns.tolist(), ranks.tolist(), strict=True)
        return np.array([records_of(cls, turn)[rank] for cls, turn, rank in asked])

    return find


BATCHES = {"stratified": stratified, "balanced": balanced}


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """By how much the loss of a class's records is multiplied, so that all classes count alike.

    The largest class's count over its own, as in Rosebrock's smile detector (Deep Learning for
    Computer Vision with Python, Starter Bundle, 2017): of 9,475 and 3,690 faces, 1 and 2.57.

    Args:
        labels: of all records that are trained on, int64 `[records]`.
        classes: how many there are, with records or without.

    Returns:
        float32 `[classes]`, 1 or more; 0 for a class without records.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = np.zeros(classes, np.float32)
    return np.divide(counts.max(), counts, out=weights, where=counts > 0, casting="same_kind")


def _permutation(length: int, seed: int, name: str, *numbers: int) -> np.ndarray:
    """The numbers below `length` in an order that `seed`, `name` and `numbers` decide."""
    return np.argsort(_bits(length, seed, name, *numbers), kind="stable")


def _permutations(length: int, seed: int, name: str, start: int, stop: int) -> np.ndarray:
    """A permutation for each number from `start` on, before `stop`: `[stop - start, length]`."""
    blocks = -(-length // 4)  # Philox counts blocks of four words
    bits = _bits((stop - start) * blocks * 4, seed, name, first_block=start * blocks)
    return np.argsort(bits.reshape(stop - start, -1)[:, :length], axis=1, kind="stable")


def _bits(count: int, seed: int, name: str, *numbers: int, first_block: int = 0) -> np.ndarray:
    """Random uint64 `[count]`."""
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    counter = np.array([first_block, *numbers, 0, 0, 0][:4], np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(count)
