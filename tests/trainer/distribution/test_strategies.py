"""Strategies by their names; what they compute is in `tests.trainer.test_replicas`."""

import pytest
import tensorflow as tf

from headrace.errors import UsageError
from trainer.distribution import strategies


class TwoReplicas(tf.distribute.OneDeviceStrategy):
    """A strategy that says it has two replicas."""

    num_replicas_in_sync = 2


def test_a_device_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UsageError, match="there is no GPU:7 here; there are CPU:0"):
        strategies.create("mirrored", devices=["GPU:7"])


def test_the_devices_that_are_named_are_taken():
    strategy = strategies.create("auto", devices=["CPU:0"])
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 1


@pytest.mark.parametrize(("batch_size", "dividing"), [(64, 64), (65, 64), (1, 2)])
def test_evaluation_takes_the_nearest_size_that_divides(batch_size, dividing):
    assert strategies.dividing_batch_size(TwoReplicas("CPU:0"), batch_size) == dividing


@pytest.mark.parametrize("name", ["multi_worker_mirrored", "parameter_server", "tpu"])
def test_a_program_by_itself_needs_no_cluster_of_the_run(name):
    assert strategies.create_for_one_process(name).num_replicas_in_sync == 1
