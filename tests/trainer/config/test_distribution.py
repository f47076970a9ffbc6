"""By which strategy a run trains, and on what devices."""

import dataclasses

import pytest

from tests.trainer.config.fields import assert_refused, fixed, parsed
from trainer.config.distribution import COMMUNICATIONS, STRATEGIES, DistributionConfig

HELP = {field.name: field.metadata["help"] for field in dataclasses.fields(DistributionConfig)}


def test_what_is_not_said_is_chosen_by_what_there_is():
    assert parsed(DistributionConfig) == DistributionConfig()
    assert parsed(DistributionConfig) == DistributionConfig(
        strategy="auto",
        devices=(),
        communication="auto",
        tpu="",
        memory_limit_mb=0,
        logical_devices=1,
        deterministic=False,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_taken_and_explained(strategy):
    assert parsed(DistributionConfig, f"--strategy={strategy}").strategy == strategy
    assert f" {strategy}: " in HELP["strategy"]


@pytest.mark.parametrize("communication", COMMUNICATIONS)
def test_every_way_to_sum_gradients_is_taken_and_explained(communication):
    config = parsed(DistributionConfig, f"--communication={communication}")
    assert config.communication == communication
    assert f" {communication}, " in HELP["communication"]


def test_devices_are_named_one_after_the_other():
    assert parsed(DistributionConfig, "--devices=GPU:0,GPU:1").devices == ("GPU:0", "GPU:1")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--strategy=tpuu", "<auto|one_device|mirrored|"),
        ("--communication=mpi", "<auto|ring|nccl>"),
        ("--memory_limit_mb=-1", "non-negative"),
        ("--logical_devices=0", "positive"),
    ],
)
def test_what_there_is_not_is_refused(argument, expected):
    assert_refused(DistributionConfig, argument, expected)


def test_a_run_may_go_on_anywhere():
    assert fixed(DistributionConfig) == set()
