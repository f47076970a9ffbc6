"""The evaluator of a run with parameter servers, beside nothing but its run directory."""

import json

from tests.trainer import workers
from tests.trainer.conftest import TASK
from trainer.distribution.cluster import on_this_machine


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
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "validation_split": None}))
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
