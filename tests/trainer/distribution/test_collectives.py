"""What workers decide as one: sums over all of them, and waiting for the last one."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import run_program
from tests.trainer import workers
from tests.trainer.distribution.sums import VALUES, array_of_worker, of_worker
from trainer.distribution.cluster import Cluster
from trainer.distribution.collectives import Collectives

PROGRAM = "tests.trainer.distribution.sums"


@given(st.lists(st.floats(allow_nan=False)))
def test_alone_a_worker_decides_by_its_own_values(values):
    collectives = Collectives(tf.distribute.get_strategy(), Cluster())
    assert collectives.all_reduce_sum(*values) == values
    assert (collectives.workers, collectives.is_chief) == (1, True)
    np.testing.assert_array_equal(collectives.broadcast(np.array(values)), values)


@pytest.mark.parametrize(("task", "is_chief"), [("chief", True), ("worker", False)])
def test_beside_parameter_servers_each_decides_alone_and_the_chief_writes(task, is_chief):
    addresses = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    collectives = Collectives(tf.distribute.get_strategy(), Cluster(addresses, task, 0))
    collectives.barrier()  # or it would wait for ever
    assert collectives.all_reduce_sum(3, 0.5) == [3, 0.5]
    assert (collectives.workers, collectives.is_chief) == (1, is_chief)


def test_workers_have_the_sums_of_all_and_wait_for_the_last_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    said = workers.run(2, PROGRAM, str(tmp_path))
    assert [code for code, _, _ in said] == [0, 0], said
    first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))
    assert (first.pop("is_chief"), second.pop("is_chief")) == (True, False)
    assert first == second
    assert (first["workers"], first["arrived"]) == (2, True)
    assert first["broadcast"] == array_of_worker(0).tolist()
    assert first["sums"] == [a + b for a, b in zip(of_worker(0), of_worker(1), strict=True)]


def test_sums_are_exact_however_many_replicas_a_worker_has(tmp_path):
    """As of three GPUs: workers are held to have found the same step, to the bit."""
    finished = run_program(PROGRAM, str(tmp_path), "6")
    assert finished.returncode == 0, finished.stderr
    sums = json.loads((tmp_path / "0.json").read_text())["sums"]
    assert sums == [2 * value for value in VALUES]
