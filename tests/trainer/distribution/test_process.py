"""What a process is in its run."""

import json

import pytest

from trainer.distribution import process

SYNCHRONOUS = {"worker": ["a:1", "b:1"]}
ASYNCHRONOUS = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"], "evaluator": ["d:1"]}


def of(cluster: dict[str, list[str]], task: str, strategy: str = "auto") -> process.Process:
    config = {"cluster": cluster, "task": {"type": task, "index": 0}}
    return process.find(strategy, {"TF_CONFIG": json.dumps(config)})


@pytest.mark.parametrize(
    ("task", "role"),
    [("chief", "train"), ("worker", "serve"), ("ps", "serve"), ("evaluator", "evaluate")],
)
def test_beside_parameter_servers_the_chief_trains_by_itself(task, role):
    this = of(ASYNCHRONOUS, task)
    assert (this.role, this.is_asynchronous) == (role, True)
    assert this.synchronous_cluster is None


def test_workers_without_servers_train_together():
    this = of(SYNCHRONOUS, "worker")
    assert (this.role, this.is_asynchronous) == ("train", False)
    assert this.synchronous_cluster is this.cluster is not None


def test_a_process_without_a_cluster_trains_alone():
    this = process.find("auto", {})
    assert (this.cluster, this.role, this.is_asynchronous) == (None, "train", False)
