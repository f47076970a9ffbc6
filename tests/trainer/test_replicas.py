"""Replicas on one machine and in several workers: the same global batch, the same weights."""

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer import workers

PROGRAM = "tests.trainer.replicas"


@pytest.fixture(scope="module")
def one(prepared, tmp_path_factory):
    """Variables after 50 steps on one device, by `replica/name`."""
    return trained(prepared, tmp_path_factory.mktemp("one"), "one_device", 1)


@pytest.fixture(scope="module")
def two(prepared, tmp_path_factory):
    """The same of two replicas of one process."""
    return trained(prepared, tmp_path_factory.mktemp("two"), "mirrored", 2)


@pytest.fixture(scope="module")
def four(prepared, tmp_path_factory):
    """The same of four workers, each with a replica: what each of them has."""
    folder = tmp_path_factory.mktemp("four")
    said = workers.run(4, PROGRAM, str(prepared), "multi_worker_mirrored", "1", str(folder))
    assert [code for code, _, _ in said] == [0] * 4, said
    return [dict(np.load(folder / f"{index}.npz")) for index in range(4)]


def trained(prepared, folder, strategy, cpus):
    finished = run_program(PROGRAM, prepared, strategy, cpus, folder)
    assert finished.returncode == 0, finished.stderr
    return dict(np.load(folder / "0.npz"))


def of_replica(arrays: dict[str, np.ndarray], replica: int) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(f"{replica}/"): value
        for name, value in arrays.items()
        if name.startswith(f"{replica}/")
    }


def assert_close(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    assert expected.keys() == found.keys()
    assert sum("moving_" in name for name in expected) > 0
    for name, value in expected.items():
        difference = np.linalg.norm(found[name] - value) / max(float(np.linalg.norm(value)), 1e-3)
        assert difference < 1e-4, name


def assert_equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_two_replicas_give_the_weights_that_one_gives(one, two):
    assert (int(one["replicas"]), int(two["replicas"])) == (1, 2)
    assert_close(of_replica(one, 0), of_replica(two, 0))


def test_four_workers_give_the_weights_that_one_gives(one, four):
    assert [int(arrays["replicas"]) for arrays in four] == [4] * 4
    assert_close(of_replica(one, 0), of_replica(four[0], 0))


def test_all_replicas_and_all_workers_end_equal(two, four):
    assert_equal(of_replica(two, 0), of_replica(two, 1))
    for arrays in four[1:]:
        assert_equal(of_replica(four[0], 0), of_replica(arrays, 0))


def test_training_moved_the_weights(one):
    averages = [value for name, value in one.items() if "moving_mean" in name]
    assert all(np.abs(average).max() > 0 for average in averages)
