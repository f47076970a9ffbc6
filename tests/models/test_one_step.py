"""What every model does in the whole chain: training, checkpoints, export."""

import json

import pytest

from models import registry
from tests.conftest import run_program


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return what `tests.models.one_step` says of all models."""
    finished = run_program(
        "tests.models.one_step", str(tmp_path_factory.mktemp("models")), timeout=600
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", registry.names())
def test_two_mirrored_replicas_give_the_weights_that_one_device_gives(report, name):
    assert report[name]["moved"] > 1e-4
    assert report[name]["strategies"] < 1e-3
    assert report[name]["replicas"] == 0


@pytest.mark.parametrize("name", registry.names())
def test_a_restored_and_an_exported_model_answer_as_the_trained_one(report, name):
    assert report[name]["restored"] == 0
    assert report[name]["served"] < 1e-5
