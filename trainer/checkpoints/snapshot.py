"""The values of a checkpoint at one moment, written while training goes on.

    snapshot = Snapshot(tf.train.Checkpoint(model=model, optimizer=optimizer))
    values = snapshot.take()                # in milliseconds
    …                                       # train on, which changes the model and not the values
    snapshot.write(values, "folder/model")  # in any thread

TensorFlow's own `CheckpointOptions(enable_async=True)` fails on the variables of Keras 3.
"""

import keras
import tensorflow as tf


class Snapshot:
    """Writes what `checkpoint.write` would, of values that were taken earlier.

    It holds the objects that were there when this was made: what one of them takes in addition
    while it trains, as AdamW does, is not part of it.
    """

    def __init__(self, checkpoint: tf.train.Checkpoint) -> None:
        view = tf.train.TrackableView(checkpoint)
        objects = view.descendants()
        self._variables = [each for each in objects if _is_variable(each)]
        self._others = [(each, view.children(each)) for each in objects if not _is_variable(each)]
        self._twin: tf.train.Checkpoint | None = None
        self._copies: list[tf.Variable] = []

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return sum(
            tf.TensorShape(each.shape).num_elements() * tf.as_dtype(each.dtype).size
            for each in self._variables
        )

    def take(self) -> list[tf.Tensor]:
        """Return the values, in host memory. On a CPU they are not copied before they change."""
        with tf.device("CPU:0"):
            return [tf.identity(each) for each in self._variables]

    def write(self, values: list[tf.Tensor], prefix: str) -> None:
        """Write TensorFlow's files of these values.

        To be called outside a strategy's scope, where variables would be on all its devices; a
        thread of its own is outside.

        Raises:
            tf.errors.OpError: they cannot be written.
        """
        self._twin = self._twin or self._make_twin(values)
        for copy, value in zip(self._copies, values, strict=True):
            copy.assign(value)
        self._twin.write(prefix)

    def _make_twin(self, values: list[tf.Tensor]) -> tf.train.Checkpoint:
        """Make objects that hang together as the checkpoint's do, with variables of the host."""
        with tf.device("CPU:0"):
            self._copies = [tf.Variable(value, trainable=False) for value in values]
        twins = {id(each): tf.train.Checkpoint() for each, _ in self._others}
        copies = zip(self._variables, self._copies, strict=True)
        twins |= {id(each): copy for each, copy in copies}
        for each, children in self._others:
            for name, child in children.items():
                setattr(twins[id(each)], name, twins[id(child)])
        root, _ = self._others[0]
        return twins[id(root)]


def _is_variable(trackable: object) -> bool:
    return isinstance(trackable, tf.Variable | keras.Variable)
