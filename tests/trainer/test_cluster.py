"""Who trains together, from the environment."""

import json

import pytest

from headrace import UsageError, UserError
from trainer import cluster, strategies
from trainer.cluster import Cluster


def environment(addresses, task, index):
    return {"TF_CONFIG": Cluster(addresses, task, index).to_json()}


def test_alone_there_is_no_cluster():
    assert cluster.find({}) is None
    assert cluster.find({"TF_CONFIG": ""}) is None
    assert cluster.find({"TF_CONFIG": '{"cluster": {}, "task": {}}'}) is None
    assert cluster.find(environment({"worker": ["a:1"]}, "worker", 0)) is None
    assert cluster.is_chief({})


def test_without_a_chief_apart_worker_0_is_chief():
    addresses = {"worker": ["a:1", "b:1"]}
    first, second = (cluster.find(environment(addresses, "worker", i)) for i in range(2))
    assert (first.trainers, first.is_chief, second.is_chief) == (2, True, False)
    addresses = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    chief = cluster.find(environment(addresses, "chief", 0))
    worker = cluster.find(environment(addresses, "worker", 0))
    assert (chief.trainers, chief.is_chief, worker.is_chief) == (3, True, False)
    assert not cluster.is_chief(environment(addresses, "worker", 1))


def test_the_first_task_of_a_slurm_step_is_chief():
    step = {"SLURM_STEP_NUM_TASKS": "4"}
    assert cluster.in_slurm(step)
    assert not cluster.in_slurm({"SLURM_STEP_NUM_TASKS": "1"})
    assert cluster.is_chief({**step, "SLURM_PROCID": "0"})
    assert not cluster.is_chief({**step, "SLURM_PROCID": "3"})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"miner": ["a:1", "b:1"]}, "task": {"type": "miner", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": "x"}}',
    ],
)
def test_a_cluster_that_cannot_be_read_is_told_in_one_line(text):
    with pytest.raises(
        UserError, match=r'^TF_CONFIG=.*; expected {"cluster": {"worker": '
    ) as found:
        cluster.find({"TF_CONFIG": text})
    assert "\n" not in str(found.value)


def test_what_trains_alone_or_together_is_said_by_the_strategy():
    several = {"TF_CONFIG": json.dumps(
        {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    )}  # fmt: skip
    for name in ("auto", "multi_worker_mirrored"):
        strategies.check(name, several, [])
    with pytest.raises(UsageError, match="needs to know its workers"):
        strategies.check("multi_worker_mirrored", {}, [])
    for name in ("one_device", "mirrored"):
        strategies.check(name, {}, [])
        with pytest.raises(UsageError, match=f"--strategy={name} is for one process"):
            strategies.check(name, several, [])


def test_devices_are_for_mirroring():
    strategies.check("mirrored", {}, ["GPU:0"])
    with pytest.raises(UsageError, match="--devices is for --strategy=mirrored"):
        strategies.check("one_device", {}, ["GPU:0"])
    with pytest.raises(UsageError, match="--devices is for a process that trains alone"):
        strategies.check("auto", environment({"worker": ["a:1", "b:1"]}, "worker", 0), ["GPU:0"])
    with pytest.raises(UsageError, match="there is no GPU:7 here; there are CPU:0"):
        strategies.create("mirrored", devices=["GPU:7"])
