"""evaluate, on a finished run: its table, its file, and what it says of classes that it lacks."""

import json

import numpy as np
import pytest

from input.dataset import dataset_dir
from tests.conftest import assert_one_line_error, run_program
from tests.trainer.checkpoints.damage import cut
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from trainer.config import run as run_config
from trainer.evaluation import class_report


def test_evaluation_agrees_with_the_result_of_training(copy):
    finished = run_program("trainer.evaluate", f"--workdir={copy}", "--split=test")
    assert (finished.returncode, finished.stderr) == (0, "")
    written = json.loads((copy / "evaluation-test.json").read_text())
    result = json.loads((copy / "result.json").read_text())["splits"]["test"]
    for name in ("rank1", "rank5", "loss", "records"):
        assert written[name] == pytest.approx(result[name], rel=1e-5)
    confusion = np.array(written["confusion"])
    assert confusion.shape == (3, 3)
    assert confusion.sum() == 24
    assert np.trace(confusion) / 24 == written["rank1"]
    for label, row in enumerate(written["per_class"]):
        assert row["records"] == confusion[label].sum() == 8
        assert row["recall"] == pytest.approx(confusion[label, label] / 8)
    assert f"rank-1 {written['rank1']:.4f}" in finished.stdout


def test_the_best_checkpoint_can_be_evaluated(copy):
    finished = run_program("trainer.evaluate", f"--workdir={copy}", "--checkpoint=best")
    assert finished.returncode == 0, finished.stderr
    rows = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    watched = [row for row in rows if row["split"] == "validation"]
    best = max(watched, key=lambda row: (row["rank1"], -row["step"]))
    written = json.loads((copy / "evaluation-test.json").read_text())
    assert [written[name] for name in ("checkpoint", "weights")] == ["best", "raw"]
    assert written["step"] == best["step"]


def test_a_damaged_checkpoint_is_named_with_the_one_in_its_place(copy):
    damaged = copy / "checkpoints/step-00000080"
    cut(damaged / "variables.index")
    finished = run_program("trainer.evaluate", f"--workdir={copy}")
    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stderr.splitlines()
    assert f"checkpoint {damaged} is damaged (its file variables.index has" in line
    assert line.endswith("): taking step-00000076")
    assert json.loads((copy / "evaluation-test.json").read_text())["step"] == 76


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path):
    finished = run_program("trainer.evaluate", f"--workdir={tmp_path}")
    assert_one_line_error(finished, 1, "is no run directory", "--workdir")


def test_a_split_that_is_not_there_is_refused(run):
    finished = run_program("trainer.evaluate", f"--workdir={run}", "--split=tset")
    assert_one_line_error(finished, 1, "no split 'tset'", "'validation'")


def test_of_a_class_that_a_split_lacks_nothing_is_said(copy):
    split = "train[:1]+validation[:1]"
    finished = run_program("trainer.evaluate", f"--workdir={copy}", f"--split={split}")
    assert (finished.returncode, finished.stderr) == (0, "")
    written = json.loads((copy / f"evaluation-{split}.json").read_text())
    rows = {row["class"]: row for row in written["per_class"]}
    lacking = {name for name, row in rows.items() if not row["records"]}
    assert lacking
    assert all(rows[name]["recall"] is None for name in lacking)
    present = [row["recall"] for name, row in rows.items() if name not in lacking]
    assert written["mean_recall"] == pytest.approx(np.mean(present))
    columns = {line.split()[0]: line.split()[1:] for line in finished.stdout.splitlines()[1:4]}
    assert {name for name, (_, recall, _) in columns.items() if recall == "–"} == lacking
    assert {name for name, (precision, _, _) in columns.items() if precision == "–"} == {
        name for name, row in rows.items() if row["precision"] is None
    }
    means = f"{written['mean_precision']:>9.4f}  {written['mean_recall']:>6.4f}"
    assert finished.stdout.splitlines()[4] == f"mean of classes  {means}"


def test_a_hundred_thousand_classes_are_trained_on_and_evaluated(prepared, tmp_path):
    card = dataset_dir.read_card(str(prepared))
    more = 100_000 - len(card.classes)
    data, workdir = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    for path in prepared.iterdir():
        (data / path.name).symlink_to(path)
    (data / "card.json").unlink()
    card.classes.extend(f"rare {number}" for number in range(more))
    for part in card.splits.values():
        part.per_class.extend([0] * more)
    (data / "card.json").write_text(card.to_json())
    options = "--model_options=stages=(1,);filters=(4,8)"
    trained = run_program(
        *TASK, options, f"--data_dir={data}", f"--workdir={workdir}", "--steps=2",
        "--batch_sampling=balanced",
    )  # fmt: skip
    assert (trained.returncode, trained.stderr) == (0, "")
    finished = run_program("trainer.evaluate", f"--workdir={workdir}")
    assert (finished.returncode, finished.stderr) == (0, "")
    written = json.loads((workdir / "evaluation-test.json").read_text())
    assert len(written["per_class"]) == 100_000
    assert sum(records for _, _, records in written["confusion_pairs"]) == 24
    hits = sum(count for true, guess, count in written["confusion_pairs"] if true == guess)
    assert written["rank1"] == hits / 24
    first, *table = finished.stdout.splitlines()
    assert first.startswith("the 3 classes of lowest recall, of 100,000; all are in")
    assert [line.split()[0] for line in table] == [
        "class",
        *(row["class"] for row in class_report.worst(written["per_class"], 3)),
        "mean",
        "test:",
    ]


def test_a_split_of_which_no_record_is_sound_ends_in_one_line(copy, prepared, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in prepared.iterdir():
        content = path.read_bytes()
        (data / path.name).write_bytes(bytes(len(content)) if "-test.tf" in path.name else content)
    config = with_values(run_config.read(str(copy)), on_bad_record="skip")
    (copy / "config.json").write_text(run_config.to_json(config))
    finished = run_program("trainer.evaluate", f"--workdir={copy}", f"--data_dir={data}")
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("error: ")
    assert "split 'test'" in finished.stderr.splitlines()[-1]
    assert "has no good record" in finished.stderr.splitlines()[-1]
    assert not (copy / "evaluation-test.json").exists()
