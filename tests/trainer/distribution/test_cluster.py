"""Who trains together, from the environment."""

import itertools
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UsageError, UserError
from trainer.distribution import cluster, slurm, strategies
from trainer.distribution.cluster import Cluster


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


def of_task(task: int, nodes: str = "n[9-10]", counts: str = "2(x2)") -> dict[str, str]:
    """What the tasks of a Slurm step find in their environment, two on each node."""
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
        assert cluster.find(of_task(task)) == Cluster(addresses, "worker", task)
        assert cluster.is_chief(of_task(task)) == (task == 0)
    assert cluster.find({**of_task(0), "SLURM_STEP_NUM_TASKS": "1"}) is None
    told = environment({"worker": ["a:1", "b:1"]}, "worker", 1)
    assert cluster.find({**of_task(0), **told}).index == 1


def test_a_slurm_step_that_cannot_be_read_is_told():
    dealt_out = {**of_task(1), "SLURM_NODEID": "1", "SLURM_LOCALID": "0"}
    with pytest.raises(UserError, match="srun --distribution=block"):
        cluster.find(dealt_out)
    with pytest.raises(UserError, match="srun --distribution=block"):
        cluster.find(of_task(0, counts="2,1,1"))
    without = of_task(0)
    del without["SLURM_STEP_NODELIST"]
    with pytest.raises(UserError, match=r"'SLURM_STEP_NODELIST' is missing .*; start it by srun"):
        cluster.find(without)


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
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": {"0": "a:1"}}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", 2]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 1}}',
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


SERVED = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}


def test_parameter_servers_are_used_where_there_are_some():
    for task in SERVED:
        found = environment(SERVED, task, 0)
        for name in ("auto", "parameter_server"):
            strategies.check(name, found, [])
            assert strategies.is_asynchronous(name, cluster.find(found))
        with pytest.raises(UsageError, match="use --strategy=parameter_server"):
            strategies.check("multi_worker_mirrored", found, [])
    several = cluster.find(environment({"worker": ["a:1", "b:1"]}, "worker", 0))
    assert not strategies.is_asynchronous("auto", several)
    assert not strategies.is_asynchronous("auto", None)


@pytest.mark.parametrize("task", ["chief", "worker", "ps"])
def test_parameter_servers_need_a_chief_and_workers(task):
    addresses = {name: value for name, value in SERVED.items() if name != task}
    found = environment(addresses, next(iter(addresses)), 0)
    with pytest.raises(UsageError, match=f"TF_CONFIG has no {task}; .*trainer.launch"):
        strategies.check("parameter_server", found, [])


def test_an_evaluator_is_for_parameter_servers():
    workers = {"chief": ["[::1]:1"], "worker": ["[::1]:2"]}
    with pytest.raises(UsageError, match=r"the evaluator of TF_CONFIG is for .* do not start it"):
        strategies.check("auto", environment(workers, "evaluator", 0))
    strategies.check("auto", environment({**workers, "ps": ["[::1]:3"]}, "evaluator", 0))


def test_parameter_servers_need_a_cluster():
    with pytest.raises(UsageError, match="TF_CONFIG has no chief and no worker and no ps"):
        strategies.check("parameter_server", {}, [])


@pytest.mark.parametrize(
    ("strategy", "flag"),
    [
        ("central_storage", "--accumulate"),
        ("central_storage", "--jit_compile"),
        ("central_storage", "--mixed_precision=float16"),
        ("parameter_server", "--accumulate"),
        ("parameter_server", "--jit_compile"),
        ("parameter_server", "--mixed_precision=float16"),
        ("parameter_server", "--deterministic"),
        ("parameter_server", "--patience"),
        ("parameter_server", "--plateau"),
    ],
)
def test_what_a_strategy_cannot_give_is_refused_with_a_remedy(strategy, flag):
    found = environment(SERVED, "chief", 0) if strategy == "parameter_server" else {}
    for name in {strategy, "auto"} if found else {strategy}:
        strategies.check_flags(name, found, [])
        with pytest.raises(UsageError, match=f"^{flag} is not for --strategy={strategy}: .*; "):
            strategies.check_flags(name, found, ["--other", flag])
    strategies.check_flags("mirrored", {}, [flag])


def test_tasks_on_this_machine_have_a_free_port_each():
    members = cluster.on_this_machine({"chief": 1, "worker": 2})
    assert [(member.task, member.index) for member in members] == [
        ("chief", 0),
        ("worker", 0),
        ("worker", 1),
    ]
    assert len({member.address for member in members}) == 3
    for member in members:
        host, _, port = member.address.partition(":")
        with socket.create_server((host, int(port))):
            assert cluster.find({"TF_CONFIG": member.to_json()}) == member
