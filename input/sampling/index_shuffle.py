"""The records of the global batch of a step: arithmetic, and nothing is remembered. See `order`.

    order = Order(records=50_000, batch_size=128, lanes=8, seed=1)
    batch(order, step)                                # [128] record numbers
    batch(order, step, pipeline=0, pipelines=4)       # its first 32: lanes 0 and 1

Permutations are evaluated place by place (`RandomIndexShuffle`, a cipher whose blocks are the
numbers below a bound), so any step costs what the first one does.
"""

import tensorflow as tf

from input.sampling.order import Order

# Four, the least there may be, leave neighbours unlike each other by 20 standard deviations of a
# uniform shuffle, and eight are seen in a million records.
_ROUNDS = 12


def batch(order: Order, step: tf.Tensor, pipeline: int = 0, pipelines: int = 1) -> tf.Tensor:
    """The records that one input pipeline contributes to the batch of a step.

    Args:
        order: of the stream.
        step: int64 scalar, from 0; graph code.
        pipeline: which of them, from 0.
        pipelines: how many there are; divides `order.lanes`.

    Returns:
        Numbers of records in the split's stored order, int64 `[batch_size / pipelines]`. Those of
        all pipelines, one after the other, are the global batch.
    """
    epoch, step_in_epoch = step // order.steps_per_epoch, step % order.steps_per_epoch
    per_lane = order.batch_size // order.lanes
    own = order.lanes // pipelines
    seed = _fold(tf.constant([0, order.seed], tf.int64), epoch)

    first = step_in_epoch * per_lane
    places = tf.range(first, first + per_lane)
    lane_length = order.steps_per_epoch * per_lane
    lanes = [
        lane * lane_length + _in_window(order, seed, lane, places)
        for lane in range(pipeline * own, (pipeline + 1) * own)
    ]
    return _record(order, seed, tf.concat(lanes, 0))


def _in_window(order: Order, seed: tf.Tensor, lane: int, places: tf.Tensor) -> tf.Tensor:
    """Places of a lane, shuffled within the window they lie in."""
    if order.window == 1:
        return places
    per_lane = order.batch_size // order.lanes
    length, lane_length = order.window * per_lane, order.steps_per_epoch * per_lane
    window = places[0] // length
    start = window * length
    last = tf.minimum(start + length, lane_length) - start - 1
    seed = _fold(_fold(seed, lane), window)
    return start + _permute(places - start, seed, last)


def _record(order: Order, seed: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Which record lies at a place of the epoch's order."""
    if order.chunk == 1:
        return _permute(place, seed, order.records - 1)
    full, rest = divmod(order.records, order.chunk)
    if not rest:
        return _chunk(seed, place // order.chunk, full) * order.chunk + place % order.chunk
    # The records that fill no chunk come at a random place between full chunks.
    cut = order.chunk * tf.random.stateless_uniform([], seed, 0, full + 1, tf.int64)
    behind = tf.where(place < cut, place, place - rest)
    record = _chunk(seed, behind // order.chunk, full) * order.chunk + behind % order.chunk
    in_rest = (place >= cut) & (place < cut + rest)
    return tf.where(in_rest, full * order.chunk + place - cut, record)


def _chunk(seed: tf.Tensor, slot: tf.Tensor, full: int) -> tf.Tensor:
    if full < 2:
        return tf.zeros_like(slot)
    slot = tf.clip_by_value(slot, 0, full - 1)  # places in the rest have no slot
    return _permute(slot, seed, full - 1)


def _permute(place: tf.Tensor, seed: tf.Tensor, last: int | tf.Tensor) -> tf.Tensor:
    """Where places from 0 to `last` go in a permutation of them."""
    # For few places the cipher takes 8 bits of each word of its key, so all must be well mixed.
    key = tf.random.stateless_uniform([3], seed, None, None, tf.uint32)
    last = tf.cast(last, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=place, seed=key, max_index=last, rounds=_ROUNDS)


def _fold(seed: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data)
