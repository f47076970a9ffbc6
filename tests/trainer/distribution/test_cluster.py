"""Who trains together, from the environment."""

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UserError
from trainer.distribution.cluster import Cluster, Role, on_this_machine


def parse(text: str) -> Cluster:
    return Cluster.from_environment({"TF_CONFIG": text})


def parse_task(addresses: dict[str, list[str]], task: str, index: int) -> Cluster:
    return parse(Cluster(addresses, task, index).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{}",
        '{"cluster": {}, "task": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
        # A job of one replica, as Vertex AI describes it.
        '{"cluster": {"chief": ["cmle-training-workerpool0-1-0:2222"]}, "environment": "cloud", '
        '"task": {"type": "chief", "index": 0}, "job": "{}"}',
    ],
)
def test_alone_there_is_no_cluster(text):
    cluster = parse(text)
    assert cluster == Cluster.from_environment({}) == Cluster()
    assert (cluster.is_distributed, cluster.is_chief, cluster.sync_workers) == (False, True, 1)
    assert cluster.role is Role.TRAINER


def test_without_a_chief_apart_worker_0_is_chief():
    addresses = {"worker": ["a:1", "b:1"]}
    first, second = (parse_task(addresses, "worker", i) for i in range(2))
    assert (first.sync_workers, first.is_chief, second.is_chief) == (2, True, False)
    addresses = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    chief, worker = (parse_task(addresses, task, 0) for task in addresses)
    assert (chief.sync_workers, chief.is_chief, worker.is_chief) == (3, True, False)
    assert not parse_task(addresses, "worker", 1).is_chief
    assert chief.trainers == {"chief": "a:1", "worker 0": "b:1", "worker 1": "c:1"}


def test_what_a_process_does_follows_from_its_task_and_from_whether_there_are_servers():
    addresses = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"], "evaluator": ["d:1"]}
    roles = [parse_task(addresses, task, 0).role for task in addresses]
    assert roles == [Role.COORDINATOR, Role.SERVER, Role.SERVER, Role.EVALUATOR]
    assert {parse_task(addresses, task, 0).sync_workers for task in addresses} == {1}
    del addresses["ps"]
    for task in ("chief", "worker"):
        assert parse_task(addresses, task, 0).role is Role.TRAINER


def test_an_evaluator_of_one_worker_does_not_train_beside_it():
    addresses = {"chief": ["a:1"], "evaluator": ["b:1"]}
    assert parse_task(addresses, "evaluator", 0).task == "evaluator"
    assert parse_task({"chief": ["a:1"]}, "evaluator", 0).is_distributed
    assert not parse_task(addresses, "chief", 0).is_distributed


TWO = '"cluster": {"worker": ["a:1", "b:1"]}'


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"worker"',
        "3",
        "null",
        '["cluster"]',
        f"{{{TWO}}}",
        f'{{{TWO}, "task": {{"type": "worker", "index": 2}}}}',
        f'{{{TWO}, "task": {{"type": "chief", "index": 0}}}}',
        f'{{{TWO}, "task": {{"type": "worker", "index": "x"}}}}',
        f'{{{TWO}, "task": {{"type": "worker", "index": -1}}}}',
        f'{{{TWO}, "task": {{"type": ["worker"], "index": 0}}}}',
        f'{{{TWO}, "task": "worker"}}',
        '{"cluster": {"miner": ["a:1", "b:1"]}, "task": {"type": "miner", "index": 0}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": {"0": "a:1"}}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", 2]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 1}}',
        '{"cluster": ["a:1", "b:1"], "task": {"type": "worker", "index": 1}}',
    ],
)
def test_a_cluster_that_cannot_be_read_is_told_in_one_line(text):
    with pytest.raises(
        UserError, match=r'^TF_CONFIG=.*; expected {"cluster": {"worker": '
    ) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('{"sparseCluster": {"worker": {"0": "a:1"}}, "task": {"type": "worker", "index": 0}}',
         '"sparseCluster" and "task"'),
        ('{"environment": "cloud", "task": {"type": "chief", "index": 0}}',
         '"environment" and "task"'),
        ('{"Cluster": {"worker": ["a:1", "b:1"]}}', '"Cluster"'),
    ],
)  # fmt: skip
def test_a_description_without_a_cluster_is_not_taken_for_a_process_alone(text, keys):
    with pytest.raises(UserError, match=rf'\(it has no "cluster", only {keys}\); expected'):
        parse(text)


@pytest.mark.parametrize(
    "address",
    [
        "http://b:2222", "grpc://b:2222", "b", "b:", ":2222", "b:2222/x", "user@b:1", "::1:2222",
        "[::1]", "[::1:2222", "b c:1", "b:-1", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("task", ["worker", "ps"])
def test_an_address_that_is_no_host_and_port_is_named(address, task):
    addresses = {"chief": ["a:1"], "worker": ["c:1"]}
    addresses[task] = [*addresses.get(task, []), address]
    with pytest.raises(UserError, match="is not host:port") as raised:
        parse_task(addresses, "chief", 0)
    assert f"({address} is not host:port); expected" in str(raised.value)


@pytest.mark.parametrize("port", [0, 65536, 99999, 10**30])
@pytest.mark.parametrize("index", [0, 1])
def test_a_port_that_there_is_not_is_named_at_this_worker_and_at_others(port, index):
    addresses = {"worker": ["a:1", f"b:{port}"]}
    with pytest.raises(UserError, match=rf"\(b:{port} has no port between 1 and 65535\)"):
        parse_task(addresses, "worker", index)


@given(
    st.sampled_from(["a", "headrace-0.headrace", "10.0.0.1", "[::1]", "[fe80::1%eth0]", "a_b"]),
    st.integers(1, 65535),
)
def test_names_and_addresses_of_hosts_are_taken(host, port):
    address = f"{host}:{port}"
    assert parse_task({"worker": [address, "other:1"]}, "worker", 0).address == address


def test_tasks_on_this_machine_have_a_free_port_each():
    clusters = on_this_machine({"chief": 1, "worker": 2})
    assert [cluster.name for cluster in clusters] == ["chief", "worker 0", "worker 1"]
    assert len({cluster.address for cluster in clusters}) == 3
    for cluster in clusters:
        host, _, port = cluster.address.partition(":")
        with socket.create_server((host, int(port))):
            assert parse(cluster.to_json()) == cluster
    json.loads(clusters[0].to_json())
