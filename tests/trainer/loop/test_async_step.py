"""Steps that workers take as they get to them; with processes, in `test_parameter_server`."""

import itertools
import json

import numpy as np
import pytest

from tests.conftest import run_program
from tests.trainer.loop.served_steps import CALLS, FIRST_SUMS, dataset
from trainer.distribution.cluster import on_this_machine


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """What `served_steps` wrote, by case."""
    output = tmp_path_factory.mktemp("served") / "out.json"
    clusters = on_this_machine({"chief": 1, "worker": 2, "ps": 1})
    addresses = [cluster.address for cluster in clusters]
    finished = run_program("tests.trainer.loop.served_steps", str(output), *addresses)
    assert finished.returncode == 0, finished.stderr
    return json.loads(output.read_text())


@pytest.mark.parametrize("case", ["still", "moving"])
def test_a_call_ends_with_each_of_its_batches_taken_once_and_its_steps_counted(served, case):
    """Also where two workers count at the same time."""
    totals = list(itertools.accumulate(CALLS))
    assert served[case]["progress"] == [[total, total] for total in totals]
    assert served[case]["finite_steps"] == sum(CALLS)


def test_the_sums_are_those_of_all_steps_whoever_took_them(served):
    assert served["still"]["sums"] == pytest.approx(served["alone"]["sums"], rel=1e-6)
    loss, hits = np.subtract(served["moving"]["sums"], FIRST_SUMS)
    still_loss, still_hits = np.subtract(served["still"]["sums"], FIRST_SUMS)
    assert loss < still_loss
    assert hits > still_hits


def test_evaluation_is_of_the_weights_as_they_are_now(served):
    batch = next(iter(dataset()))
    kernel, bias = map(np.array, served["moving"]["weights"])
    logits = batch["image"].numpy()[:, 0, 0] @ kernel + bias
    label = batch["label"].numpy()
    losses = np.log(np.exp(logits).sum(1)) - logits[range(len(label)), label]
    after = served["moving"]["after"]
    assert after["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert after["rank1"] == (logits.argmax(1) == label).mean()
    assert after["loss"] < served["moving"]["before"]["loss"]
    assert served["still"]["after"] == served["still"]["before"]


def test_a_call_is_long_enough_for_all_workers_and_another_process_evaluates(served):
    assert served["still"]["min_steps_per_loop"] == 8
    assert served["still"]["evaluates_inline"] is False
