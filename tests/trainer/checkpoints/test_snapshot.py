"""Snapshots: the values of one moment, however far training has gone since."""

import tensorflow as tf

from tests.trainer import savers
from trainer.checkpoints.snapshot import Snapshot


def test_a_snapshot_is_written_as_it_was_taken(tmp_path):
    """However far training has gone since; and as TensorFlow itself would have written it."""
    state = savers.tiny()
    model, optimizer = state.model, state.optimizer
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    snapshot = Snapshot(checkpoint)
    for number in range(3):
        checkpoint.write(str(tmp_path / "direct"))
        values = snapshot.take()
        savers.train(tf.distribute.get_strategy(), state)
        snapshot.write(values, str(tmp_path / "snapshot"))
        direct, written = (
            tf.train.load_checkpoint(tmp_path / name) for name in ("direct", "snapshot")
        )
        names = direct.get_variable_to_shape_map()
        assert written.get_variable_to_shape_map() == names
        tensors = [name for name in names if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
        assert len(tensors) == len(model.variables + optimizer.variables)
        for name in tensors:
            assert written.get_tensor(name).tobytes() == direct.get_tensor(name).tobytes()
        before = direct.get_tensor("optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE")
        assert before == 3 * number
