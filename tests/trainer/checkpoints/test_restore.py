"""The network of a trained run, as those load it that do not train it further."""

import dataclasses
import json

import numpy as np
import pytest

from headrace.errors import UserError
from trainer.checkpoints import restore
from trainer.config import run as run_config


def test_each_checkpoint_gives_its_own_step_and_weights(run):
    config = run_config.read(str(run))
    latest, latest_step = restore.load_model(config, str(run), "latest")
    best, best_step = restore.load_model(config, str(run), "best")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluations = [row for row in rows if row["split"] == "validation"]
    top = max(evaluations, key=lambda row: (row["rank1"], -row["step"]))
    assert (latest_step, best_step) == (config.steps, top["step"])
    differences = [
        np.abs(one - other).max()
        for one, other in zip(latest.get_weights(), best.get_weights(), strict=True)
    ]
    assert (max(differences) > 0) == (latest_step != best_step)


def test_a_run_that_is_not_there_or_of_another_network_is_refused(run, tmp_path):
    config = run_config.read(str(run))
    with pytest.raises(UserError, match="has no best checkpoint yet"):
        restore.load_model(config, str(tmp_path), "best")
    wider = dataclasses.replace(config, model_options={"stages": (1, 1), "filters": (4, 4, 16)})
    with pytest.raises(UserError, match="is of another model"):
        restore.load_model(wider, str(run), "latest")
