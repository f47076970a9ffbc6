"""Replicas on one machine: the same global batch gives the same weights."""

import numpy as np
import pytest

from headrace import UsageError
from tests.conftest import run_program
from trainer import strategies


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """Variables after 20 steps by (replica, name), under one device and under two replicas."""
    folder = tmp_path_factory.mktemp("replicas")
    found = []
    for strategy, cpus in (("one_device", 1), ("mirrored", 2)):
        output = folder / f"{strategy}.npz"
        finished = run_program("tests.trainer.replicas", prepared, strategy, cpus, output)
        assert finished.returncode == 0, finished.stderr
        found.append(dict(np.load(output)))
    return found


def test_two_replicas_give_the_weights_that_one_gives(trained):
    one, two = trained
    assert (int(one.pop("replicas")), int(two["replicas"])) == (1, 2)
    assert sum("moving_" in name for name in one) > 0
    for name, value in one.items():
        difference = np.linalg.norm(two[name] - value) / max(np.linalg.norm(value), 1e-3)
        assert difference < 1e-4, name


def test_both_replicas_end_equal(trained):
    _, two = trained
    first = [name for name in two if name.startswith("0/")]
    assert first
    for name in first:
        np.testing.assert_array_equal(two[name], two[f"1/{name[2:]}"])


def test_training_moved_the_weights(trained, prepared, tmp_path):
    one, _ = trained
    averages = [value for name, value in one.items() if "moving_mean" in name]
    assert all(np.abs(average).max() > 0 for average in averages)


class TwoReplicas:
    num_replicas_in_sync = 2


def test_a_batch_that_does_not_divide_is_refused_with_sizes_that_do():
    strategies.check_batch_size(TwoReplicas, 64)
    with pytest.raises(UsageError, match="use 64 or 66"):
        strategies.check_batch_size(TwoReplicas, 65)
    with pytest.raises(UsageError, match="use 2"):
        strategies.check_batch_size(TwoReplicas, 1)


@pytest.mark.parametrize(
    ("accumulate", "use"), [(3, "use 2 or 4"), (33, "use 32$"), (20, "use 16 or 32")]
)
def test_parts_that_do_not_divide_a_replicas_share_are_refused(accumulate, use):
    strategies.check_batch_size(TwoReplicas, 64, 16)
    with pytest.raises(UsageError, match=f"--accumulate={accumulate} .* 32 images .*{use}"):
        strategies.check_batch_size(TwoReplicas, 64, accumulate)


@pytest.mark.parametrize(("asked", "given"), [(64, 64), (65, 64), (1, 2)])
def test_evaluation_takes_the_nearest_size_that_divides(asked, given):
    assert strategies.dividing_batch_size(TwoReplicas, asked) == given
