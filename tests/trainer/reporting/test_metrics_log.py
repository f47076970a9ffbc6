"""What TensorBoard shows of a run that was started more than once."""

import json

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from headrace.errors import UserError
from trainer import run_dir
from trainer.reporting.metrics_log import MetricsLog


def logged_steps(workdir, curve) -> list[int]:
    """The steps of a curve."""
    events = EventAccumulator(str(workdir / "tensorboard" / curve)).Reload()
    return [event.step for event in events.Tensors("loss")]


def scalars(workdir, curve) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name."""
    events = EventAccumulator(str(workdir / "tensorboard" / curve)).Reload()
    return {
        name: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def started(workdir, step, last_eval_step) -> MetricsLog:
    log = MetricsLog(str(workdir), steps_per_epoch=10)
    log.resume_at(step, last_eval_step)
    return log


def test_steps_that_are_made_again_are_shown_once(tmp_path):
    first = started(tmp_path, 0, 0)
    for step in (10, 20, 30):
        first.log(step, "train", {"loss": 0.5})
        first.log(step, "validation", {"loss": 0.5})
    again = started(tmp_path, 20, 10)  # of a run that was stopped in its evaluation at step 20
    assert (logged_steps(tmp_path, "train"), logged_steps(tmp_path, "validation")) == (
        [10, 20],
        [10],
    )
    again.log(20, "validation", {"loss": 0.5})
    again.log(30, "train", {"loss": 0.5})
    assert (logged_steps(tmp_path, "train"), logged_steps(tmp_path, "validation")) == (
        [10, 20, 30],
        [10, 20],
    )
    lines = [(row["step"], row["split"]) for row in run_dir.read_metrics(str(tmp_path))]
    assert lines == [
        (10, "train"),
        (10, "validation"),
        (20, "train"),
        (20, "validation"),
        (30, "train"),
    ]


def test_a_file_cut_short_by_a_kill_hides_nothing(tmp_path):
    first = started(tmp_path, 0, 0)
    for step in (10, 20):
        first.log(step, "train", {"loss": 0.5})
    (file,) = (tmp_path / "tensorboard/train").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    started(tmp_path, 10, 0).log(20, "train", {"loss": 0.5})
    assert logged_steps(tmp_path, "train") == [10, 20]


def test_curves_that_cannot_be_written_end_in_one_line(tmp_path):
    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(UserError, match=r"tensorboard cannot be written \(.*\); make room"):
        MetricsLog(str(tmp_path), steps_per_epoch=10)


def test_tensorboard_shows_what_the_lines_of_the_run_say(tmp_path):
    log = MetricsLog(str(tmp_path), steps_per_epoch=4)
    log.log(2, "train", {"loss": 1.5, "rank1": 0.25})
    log.log(4, "train", {"loss": 0.5, "rank1": 0.75})
    log.log(4, "test", {"loss": 0.625, "records": 8})
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()] == [
        {"step": 2, "epoch": 0.5, "split": "train", "loss": 1.5, "rank1": 0.25},
        {"step": 4, "epoch": 1.0, "split": "train", "loss": 0.5, "rank1": 0.75},
        {"step": 4, "epoch": 1.0, "split": "test", "loss": 0.625, "records": 8},
    ]
    train, validation = (scalars(tmp_path, curve) for curve in ("train", "validation"))
    assert train == {"loss": [(2, 1.5), (4, 0.5)], "rank1": [(2, 0.25), (4, 0.75)]}
    assert validation == {"loss": [(4, 0.625)], "records": [(4, 8)]}
