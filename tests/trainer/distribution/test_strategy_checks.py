"""What a strategy needs, and what it cannot give."""

import pytest

from headrace.errors import UsageError
from trainer.distribution import strategy_checks
from trainer.distribution.cluster import Cluster

ALONE = Cluster()
WORKERS = Cluster({"worker": ["a:1", "b:1"]}, "worker", 0)
SERVED = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}


def test_what_trains_alone_or_together_is_said_by_the_strategy():
    for name in ("auto", "multi_worker_mirrored"):
        strategy_checks.check_cluster(name, WORKERS)
    with pytest.raises(UsageError, match="needs to know its workers"):
        strategy_checks.check_cluster("multi_worker_mirrored", ALONE)
    for name in ("one_device", "mirrored"):
        strategy_checks.check_cluster(name, ALONE)
        with pytest.raises(UsageError, match=f"`strategy`={name} is for one process"):
            strategy_checks.check_cluster(name, WORKERS)


def test_devices_are_for_mirroring():
    strategy_checks.check_cluster("mirrored", ALONE, ["GPU:0"])
    with pytest.raises(UsageError, match="`devices` is for `strategy`=mirrored"):
        strategy_checks.check_cluster("one_device", ALONE, ["GPU:0"])
    with pytest.raises(UsageError, match="`devices` is for a process that trains alone"):
        strategy_checks.check_cluster("auto", WORKERS, ["GPU:0"])


def test_parameter_servers_are_for_their_own_strategy():
    for task in SERVED:
        cluster = Cluster(SERVED, task, 0)
        for name in ("auto", "parameter_server"):
            strategy_checks.check_cluster(name, cluster)
        with pytest.raises(UsageError, match="use `strategy`=parameter_server"):
            strategy_checks.check_cluster("multi_worker_mirrored", cluster)


@pytest.mark.parametrize("task", ["chief", "worker", "ps"])
def test_parameter_servers_need_a_chief_and_workers(task):
    addresses = {name: value for name, value in SERVED.items() if name != task}
    cluster = Cluster(addresses, next(iter(addresses)), 0)
    with pytest.raises(UsageError, match=f"TF_CONFIG has no {task}; .*trainer.launch"):
        strategy_checks.check_cluster("parameter_server", cluster)


@pytest.mark.parametrize("workers", [["[::1]:2"], []])
def test_an_evaluator_is_for_parameter_servers(workers):
    addresses = {"chief": ["[::1]:1"], "worker": workers}
    with pytest.raises(UsageError, match=r"the evaluator of TF_CONFIG is for .* do not start it"):
        strategy_checks.check_cluster("auto", Cluster(addresses, "evaluator", 0))
    served = {"chief": ["[::1]:1"], "worker": ["[::1]:2"], "ps": ["[::1]:3"]}
    strategy_checks.check_cluster("auto", Cluster(served, "evaluator", 0))


def test_parameter_servers_need_a_cluster():
    with pytest.raises(UsageError, match="TF_CONFIG has no chief and no worker and no ps"):
        strategy_checks.check_cluster("parameter_server", ALONE)


def test_a_batch_that_does_not_divide_is_refused_with_sizes_that_do():
    strategy_checks.check_batch_size(64, 2)
    with pytest.raises(UsageError, match="use 64 or 66"):
        strategy_checks.check_batch_size(65, 2)
    with pytest.raises(UsageError, match="use 2"):
        strategy_checks.check_batch_size(1, 2)


@pytest.mark.parametrize(
    ("accumulate", "use"), [(3, "use 2 or 4"), (33, "use 32$"), (20, "use 16 or 32")]
)
def test_parts_that_do_not_divide_a_replicas_share_are_refused(accumulate, use):
    strategy_checks.check_batch_size(64, 2, 16)
    with pytest.raises(UsageError, match=f"`grad_accum_steps`={accumulate} .* 32 images .*{use}"):
        strategy_checks.check_batch_size(64, 2, accumulate)
