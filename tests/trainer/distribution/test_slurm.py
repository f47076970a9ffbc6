"""The tasks of a Slurm step as a cluster."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UserError
from trainer.distribution import slurm
from trainer.distribution.cluster import Cluster


def environment(task: int, nodes: str = "n[9-10]", counts: str = "2(x2)") -> dict[str, str]:
    """Return what a task of a Slurm step finds in its environment, two tasks on each node."""
    return {
        "SLURM_JOB_ID": "1402",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": counts,
        "SLURM_PROCID": str(task),
        "SLURM_NODEID": str(task // 2),
        "SLURM_LOCALID": str(task % 2),
    }


def test_the_tasks_of_a_slurm_step_are_workers_and_the_first_is_chief():
    addresses = {"worker": ["n9:10064", "n9:10065", "n10:10064", "n10:10065"]}
    for task in range(4):
        cluster = Cluster.from_environment(environment(task))
        assert cluster == Cluster(addresses, "worker", task)
        assert cluster.is_chief == (task == 0)
    alone = {**environment(0), "SLURM_STEP_NUM_TASKS": "1"}
    assert not Cluster.from_environment(alone).is_distributed
    tf_config = Cluster({"worker": ["a:1", "b:1"]}, "worker", 1).to_json()
    assert Cluster.from_environment({**environment(0), "TF_CONFIG": tf_config}).index == 1


def test_a_slurm_step_that_cannot_be_read_is_told():
    cyclic = {**environment(1), "SLURM_NODEID": "1", "SLURM_LOCALID": "0"}
    with pytest.raises(UserError, match="srun --distribution=block"):
        Cluster.from_environment(cyclic)
    with pytest.raises(UserError, match="srun --distribution=block"):
        Cluster.from_environment(environment(0, counts="2,1,1"))
    without = environment(0)
    del without["SLURM_STEP_NODELIST"]
    with pytest.raises(UserError, match=r"'SLURM_STEP_NODELIST' is missing .*; start it by srun"):
        Cluster.from_environment(without)


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("one", ["one"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("n[1,3-4],big,a-b7", ["n1", "n3", "n4", "big", "a-b7"]),
        ("r[1-2]n[8-9]x", ["r1n8x", "r1n9x", "r2n8x", "r2n9x"]),
    ],
)
def test_slurm_writes_nodes_in_short(text, nodes):
    assert list(slurm.expand_nodes(text)) == nodes


@given(st.lists(st.integers(1, 32), min_size=1))
def test_slurm_writes_equal_numbers_of_tasks_in_short(counts):
    runs = [(count, len(list(same))) for count, same in itertools.groupby(counts)]
    short = ",".join(f"{count}(x{times})" if times > 1 else f"{count}" for count, times in runs)
    assert list(slurm.expand_counts(short)) == counts
