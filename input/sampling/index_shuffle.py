"""The records of the global batch of a step: arithmetic, and nothing is remembered. See `order`.

    order = Order(records=50_000, batch_size=128, lanes=8, seed=1)
    batch(order, step)                                # [128] record indices
    batch(order, step, pipeline=0, pipelines=4)       # its first 32: lanes 0 and 1
    held_out(order, epoch)                            # what no batch of the epoch has, by intent

Permutations are evaluated position by position (`RandomIndexShuffle`, a cipher whose blocks are the
numbers below a bound), so any step costs what the first one does.
"""

import numpy as np
import tensorflow as tf

from input.sampling.order import Order

# Four, the least there may be, leave neighbours unlike each other by 20 standard deviations of a
# uniform shuffle, and eight are seen in a million records.
_ROUNDS = 12


def batch(order: Order, step: tf.Tensor, pipeline: int = 0, pipelines: int = 1) -> tf.Tensor:
    """Find the records that one input pipeline contributes to the batch of a step.

    Args:
        order: order of the stream.
        step: int64 scalar, from 0; graph code.
        pipeline: which of the pipelines, from 0.
        pipelines: how many there are; divides `order.lanes`.

    Returns:
        Record indices in the split's stored order, int64 `[batch_size / pipelines]`. Those of all
        pipelines, one after the other, are the global batch.
    """
    epoch, step_in_epoch = step // order.steps_per_epoch, step % order.steps_per_epoch
    per_lane = order.batch_size // order.lanes
    lanes = order.lanes // pipelines
    seed = _epoch_seed(order, epoch)

    first = step_in_epoch * per_lane
    in_lane = tf.range(first, first + per_lane)
    lane_length = order.steps_per_epoch * per_lane
    positions = [
        lane * lane_length + _shuffle_window(order, seed, lane, in_lane)
        for lane in range(pipeline * lanes, (pipeline + 1) * lanes)
    ]
    return _record_index(order, seed, tf.concat(positions, 0))


def held_out(order: Order, epoch: int) -> np.ndarray:
    """Find the records that an epoch is not trained on, for it to be evaluated on them.

    They are the end of its order, beyond the last position that a batch can have. Of all that it
    leaves out these are `order.held_out`; where batches do not fill what is left, there are more.

    Args:
        order: order of the stream, the natural one, which holds some out.
        epoch: epoch, from 0.

    Returns:
        Record indices in rising order, int64 `[order.held_out]`.
    """
    with tf.device("CPU"):  # as in a stream: a TPU draws other numbers
        seed = _epoch_seed(order, tf.constant(epoch, tf.int64))
        positions = tf.range(order.records - order.held_out, order.records, dtype=tf.int64)
        return np.sort(_record_index(order, seed, positions).numpy())


def _epoch_seed(order: Order, epoch: tf.Tensor) -> tf.Tensor:
    return _fold(tf.constant([0, order.seed], tf.int64), epoch)


def _shuffle_window(order: Order, seed: tf.Tensor, lane: int, positions: tf.Tensor) -> tf.Tensor:
    """Shuffle positions of a lane within the window they lie in."""
    if order.window == 1:
        return positions
    per_lane = order.batch_size // order.lanes
    length, lane_length = order.window * per_lane, order.steps_per_epoch * per_lane
    window = positions[0] // length
    start = window * length
    last = tf.minimum(start + length, lane_length) - start - 1
    seed = _fold(_fold(seed, lane), window)
    return start + _permute(positions - start, seed, last)


def _record_index(order: Order, seed: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return which record lies at a position of the epoch."""
    if order.chunk == 1:
        return _permute(position, seed, order.records - 1)
    full, rest = divmod(order.records, order.chunk)
    if not rest:
        return _in_full_chunk(order, seed, position)
    # The records that fill no chunk come at a random position between full chunks.
    cut = order.chunk * tf.random.stateless_uniform([], seed, 0, full + 1, tf.int64)
    in_full = tf.where(position < cut, position, position - rest)
    in_rest = (position >= cut) & (position < cut + rest)
    record_index = _in_full_chunk(order, seed, in_full)
    return tf.where(in_rest, full * order.chunk + position - cut, record_index)


def _in_full_chunk(order: Order, seed: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return which record lies at a position among the full chunks, themselves shuffled."""
    chunk_index, in_chunk = position // order.chunk, position % order.chunk
    return _shuffle_chunk(seed, chunk_index, order.records // order.chunk) * order.chunk + in_chunk


def _shuffle_chunk(seed: tf.Tensor, chunk_index: tf.Tensor, full: int) -> tf.Tensor:
    if full < 2:
        return tf.zeros_like(chunk_index)
    chunk_index = tf.clip_by_value(chunk_index, 0, full - 1)  # positions in the rest have no chunk
    return _permute(chunk_index, seed, full - 1)


def _permute(position: tf.Tensor, seed: tf.Tensor, last: int | tf.Tensor) -> tf.Tensor:
    """Return where positions from 0 to `last` go in a permutation of them."""
    # For few positions the cipher takes 8 bits of each word of its key, so all must be well mixed.
    key = tf.random.stateless_uniform([3], seed, None, None, tf.uint32)
    last = tf.cast(last, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=position, seed=key, max_index=last, rounds=_ROUNDS)


def _fold(seed: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data)
