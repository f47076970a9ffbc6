"""The evaluator of a run with parameter servers, beside nothing but its run directory."""

import json

import pytest

from input.dataset import dataset_dir
from tests.trainer import workers
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from trainer import run_dir
from trainer.config import run as run_config
from trainer.distribution.cluster import on_this_machine
from trainer.evaluation import sidecar_evaluator


def test_an_evaluator_without_a_split_to_evaluate_waits_for_the_end(copy, prepared, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in prepared.iterdir():
        (data / path.name).symlink_to(path)
    card = json.loads((data / "card.json").read_text())
    (data / "card.json").unlink()
    (data / "card.json").write_text(
        json.dumps({**card, "splits": {"train": card["splits"]["train"]}})
    )
    config = with_values(run_config.read(str(copy)), validation_split=None)
    (copy / "config.json").write_text(run_config.to_json(config))
    before = (copy / "metrics.jsonl").read_bytes()
    result = (copy / "result.json").rename(copy / ".result.json")

    counts = {"chief": 1, "worker": 1, "ps": 1, "evaluator": 1}
    evaluator = on_this_machine(counts)[-1]
    process = workers.start(
        evaluator, *TASK, f"--data_dir={data}", f"--workdir={copy}", "--epochs=20",
        "--nodeterministic", "--strategy=parameter_server",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "no validation split" in process.stdout.readline()
        result.rename(copy / "result.json")
        ((code, _, errors),) = workers.ended([process])
    finally:
        process.kill()
    assert (code, errors) == (0, "")
    assert (copy / "metrics.jsonl").read_bytes() == before


def test_it_computes_in_what_the_chief_has_chosen(copy):
    """Which the run directory says by the time that there is a checkpoint."""
    (*before, last) = run_dir.read_metrics(str(copy))
    assert last["split"] == "validation"
    lines = "".join(json.dumps(row) + "\n" for row in before)
    (copy / "metrics.jsonl").write_text(lines)
    config = with_values(run_config.read(str(copy)), mixed_precision="auto")
    card = dataset_dir.read_card(config.data.data_dir)
    cluster = on_this_machine({"chief": 1, "worker": 1, "ps": 1, "evaluator": 1})[-1]
    sidecar_evaluator.evaluate_checkpoints(config, card, str(copy), cluster)
    again = run_dir.read_metrics(str(copy))[-1]
    assert (again["step"], again["split"]) == (last["step"], "validation")
    assert again["loss"] == pytest.approx(last["loss"], rel=1e-5)
