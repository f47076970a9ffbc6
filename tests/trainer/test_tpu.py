"""Training on a TPU, as far as that can be tested without one."""

import pytest
import tensorflow as tf

from headrace.errors import UsageError
from tests.conftest import assert_one_line_error, run_program
from tests.trainer.conftest import TASK
from trainer.distribution import strategies
from trainer.distribution.cluster import Cluster
from trainer.distribution.strategy_checks import check_cluster


class Resolver(tf.distribute.cluster_resolver.TPUClusterResolver):
    """TensorFlow's own, of an address where nobody is."""

    def __init__(self, tpu: str) -> None:
        super().__init__(tpu=tpu)
        self.name = tpu
        asked.append(("resolve", tpu))


asked: list[tuple[str, str]] = []


@pytest.fixture
def tpus(monkeypatch):
    """TensorFlow, of which what needs a TPU only writes down that it was asked for."""
    asked.clear()
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", Resolver)
    for place, name, deed in (
        (tf.config, "experimental_connect_to_cluster", "connect"),
        (tf.tpu.experimental, "initialize_tpu_system", "initialise"),
        (tf.distribute, "TPUStrategy", "make the strategy"),
    ):
        monkeypatch.setattr(
            place, name, lambda resolver, deed=deed: asked.append((deed, resolver.name))
        )


@pytest.mark.parametrize("strategy", ["tpu", "auto"])
def test_a_tpu_is_resolved_connected_and_initialised_in_this_order(tpus, strategy):
    address = "grpc://localhost:8470"
    strategies.create(strategy, tpu=address)
    deeds = ["resolve", "connect", "initialise", "make the strategy"]
    assert asked == [(deed, address) for deed in deeds]


def test_the_tpu_of_this_machine_needs_no_connection(tpus):
    for name in ("", "local"):
        strategies.create("tpu", tpu=name)
        assert asked == [(d, "local") for d in ("resolve", "initialise", "make the strategy")]
        asked.clear()


def test_without_a_tpu_the_error_is_one_line(prepared, tmp_path):
    finished = run_program(
        *(*TASK, "--strategy=tpu", f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"),
        "--epochs=1",
    )
    assert_one_line_error(finished, 1, "--tpu=local: there is no such TPU (TPUs not found")
    assert not (tmp_path / "run").exists()


def test_a_tpu_is_for_its_own_strategy():
    check_cluster("tpu", Cluster(), tpu="local")
    check_cluster("auto", Cluster(), tpu="local")
    with pytest.raises(UsageError, match="`tpu` is for `strategy`=tpu, not for `strategy`=mirr"):
        check_cluster("mirrored", Cluster(), tpu="local")
    with pytest.raises(UsageError, match="`devices` is for a process that trains alone"):
        check_cluster("auto", Cluster(), ["GPU:0"], tpu="local")
