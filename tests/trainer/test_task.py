"""The training program: what a run leaves behind, resuming, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT, assert_one_line_error, run_program, write_images
from tests.trainer.conftest import TASK
from trainer import run_dir


def variables(workdir) -> dict[str, np.ndarray]:
    latest = max((workdir / "checkpoints").glob("step-*"))
    reader = tf.train.load_checkpoint(latest / "variables")
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "OBJECT_GRAPH" not in name
    }


def without_rates(workdir) -> list[dict]:
    rows = run_dir.read_metrics(str(workdir))
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


def test_a_run_directory_holds_what_was_promised(run):
    for name in ("config.json", "flags.txt", "metrics.jsonl", "curves.png", "result.json"):
        assert (run / name).stat().st_size > 0
    latest = {path.name for path in (run / "checkpoints").iterdir()}
    assert latest == {"best", "step-00000072", "step-00000076", "step-00000080"}
    assert len(list((run / "checkpoints/best").glob("step-*"))) == 1
    for part in ("train", "validation"):
        assert list((run / "tensorboard" / part).glob("events*"))
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_small_model_learns_and_its_result_says_so(run):
    result = json.loads((run / "result.json").read_text())
    assert result["steps"] == 80
    assert result["images_per_second"] > 0
    assert set(result["splits"]) == {"validation", "test"}
    for numbers in result["splits"].values():
        assert numbers["records"] == 24
        assert numbers["rank1"] > 0.9
        assert numbers["rank5"] == 1
        assert numbers["loss"] < 1


def test_metrics_have_a_line_per_logging_step_and_evaluation(run):
    rows = run_dir.read_metrics(str(run))
    for split in ("train", "validation"):
        steps = [row["step"] for row in rows if row["split"] == split]
        assert steps == list(range(4, 81, 4))
    assert {"loss", "rank1", "learning_rate", "images_per_second", "epoch"} < set(rows[0])


def test_a_finished_run_says_so_and_is_left_as_it_is(run, prepared):
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    finished = run_program(*TASK, f"--data_dir={prepared}", f"--workdir={run}", "--epochs=20")
    assert finished.returncode == 0
    assert "is finished, at step 80" in finished.stdout
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_its_flagfile_repeats_a_run(run, tmp_path):
    finished = run_program(
        "trainer.task", f"--flagfile={run / 'flags.txt'}", f"--workdir={tmp_path / 'again'}"
    )
    assert finished.returncode == 0, finished.stderr
    assert without_rates(tmp_path / "again") == without_rates(run)
    first, second = variables(run), variables(tmp_path / "again")
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_the_flagfile_of_a_run_holds_the_flags_of_its_recipe_and_not_its_name(prepared, tmp_path):
    finished = run_program(
        *("trainer.task", f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}"),
        *("--epochs=1", "--batch_size=72", "--recipe=digits_lenet"),
    )
    assert finished.returncode == 0, finished.stderr
    assert run_dir.read_result(str(tmp_path / "run"))["steps"] == 1
    lines = (tmp_path / "run/flags.txt").read_text().splitlines()
    given = {"--model=lenet", "--optimizer=adam", "--epochs=1", "--batch_size=72"}
    assert given <= set(lines)
    assert not any("recipe" in line for line in lines)


def test_a_killed_run_resumes_and_ends_as_if_nothing_had_been(run, prepared, tmp_path):
    arguments = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=20"]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/checkpoints/step-00000020").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "run/result.json").exists()

    resumed = run_program(*arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from the checkpoint at step" in resumed.stdout
    assert without_rates(tmp_path / "run") == without_rates(run)
    first, second = variables(run), variables(tmp_path / "run")
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_a_finished_run_trained_further_has_no_result_until_then(run, prepared, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    asked = (*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=86")
    stopped = run_program(*asked, "--max_minutes=1e-9")
    assert stopped.returncode == 0, stopped.stderr
    assert "stopped at step 81 of 86, and saved: the time is up; resume" in stopped.stdout
    assert run_dir.read_result(str(tmp_path / "run")) is None
    finished = run_program(*asked)
    assert finished.returncode == 0, finished.stderr
    assert run_dir.read_result(str(tmp_path / "run"))["steps"] == 86


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(workdir, data_dir, *flags, code=1):
    """Starts the program, which must refuse and leave the run directory as it was."""
    before = everything(workdir)
    finished = run_program(
        *TASK, f"--data_dir={data_dir}", f"--workdir={workdir}", "--epochs=40", *flags
    )
    assert everything(workdir) == before
    assert_one_line_error(finished, code)
    return finished.stderr


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


def test_a_workdir_of_another_dataset_is_refused(copy, tmp_path):
    write_images(tmp_path / "source", {"dark": 40, "grey": 40, "light": 40}, seed=9)
    made = run_program(
        "beam_pipelines.prepare",
        f"--source=folder:{tmp_path / 'source'}",
        f"--output_dir={tmp_path / 'other'}",
    )
    assert made.returncode == 0, made.stderr
    message = refused(copy, tmp_path / "other")
    assert "holds another run: dataset was" in message
    assert "use the same values, another --workdir, or --allow_changes" in message


def test_a_workdir_of_another_model_is_refused(copy, prepared):
    message = refused(copy, prepared, "--model_options=stages=(2,1);filters=(4,4,8)")
    assert "--model_options was" in message
    message = refused(copy, prepared, "--batch_size=8", "--seed=3")
    assert "--batch_size was 16 and is 8" in message
    assert "--seed was 0 and is 3" in message


def test_a_checkpoint_of_another_model_is_refused(copy, prepared, tmp_path):
    options = "stages=(1,1);filters=(8,8,8)"
    other = tmp_path / "other"
    made = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={other}", "--steps=1",
        f"--model_options={options}",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    shutil.rmtree(copy / "checkpoints")
    shutil.copytree(other / "checkpoints", copy / "checkpoints")
    kept = everything(copy / "checkpoints")
    (copy / "result.json").unlink()
    start = [*TASK, f"--data_dir={prepared}", f"--workdir={copy}", "--epochs=20"]
    for program, words in (
        (
            start,
            ["another run: --model_options was", "'filters': [4, 4, 8]", "--allow_changes"],
        ),
        ([*start, "--allow_changes"], ["is of another model"]),
        (["trainer.evaluate", f"--workdir={copy}"], ["is of another model"]),
        (["trainer.export", f"--workdir={copy}"], ["is of another model"]),
    ):
        finished = run_program(*program)
        assert_one_line_error(finished, 1, "checkpoints/step-00000001", "--workdir", *words)
    assert everything(copy / "checkpoints") == kept


def test_a_folder_with_other_files_is_no_workdir(prepared, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "is no run directory; use an empty one" in refused(tmp_path / "mine", prepared)


def test_a_file_is_no_workdir(prepared, tmp_path):
    (tmp_path / "mine").write_text("precious")
    assert "is a file; name a folder" in refused(tmp_path / "mine", prepared)
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_dataset_directory_without_its_card_is_refused(run, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "data")
    (data / "card.json").unlink()
    assert "has no card.json" in refused(run, data)


def test_a_shard_cut_short_is_refused(run, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "data")
    shard = next(data.glob("*-train.tfrecord-*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    assert shard.name in refused(run, data)


def test_a_damaged_record_ends_in_one_line(prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "data")
    shard = next(data.glob("*-train.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    for position in range(40, len(content), 100):
        content[position] ^= 0xFF
    shard.write_bytes(content)
    finished = run_program(
        *TASK, f"--data_dir={data}", f"--workdir={tmp_path / 'run'}", "--epochs=1"
    )
    assert_one_line_error(finished, 1, "record ", f"of {shard}", "at byte", "is damaged")


def test_a_damaged_record_may_be_skipped_and_is_counted(prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "data")
    shard = next(data.glob("*-train.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 0xFF
    shard.write_bytes(content)
    finished = run_program(
        *TASK,
        f"--data_dir={data}",
        f"--workdir={tmp_path / 'run'}",
        *("--batch_size=72", "--epochs=2", "--on_bad_record=skip"),
    )
    assert finished.returncode == 0, finished.stderr
    assert f"record 0 of {shard}" in finished.stderr
    assert json.loads((tmp_path / "run" / "result.json").read_text())["bad_records"] == 1


def test_a_loss_that_is_not_finite_ends_in_one_line(prepared, tmp_path):
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=40",
        "--learning_rate=1e30",
    )  # fmt: skip
    assert_one_line_error(finished, 1, "the loss is", "--learning_rate")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["either --epochs or --steps"]),
        (["--epochs=1", "--steps=1"], ["either --epochs or --steps"]),
        (["--epochs=0"], ["--epochs"]),
        (["--epochs=1", "--model=lenett"], ["unknown model 'lenett'", "lenet, mini_googlenet"]),
        (["--epochs=1", "--model_options=depth=3"], ["no option 'depth'", "stages"]),
        (["--epochs=1", "--model_options=depth"], ["expected name=value"]),
        (["--epochs=1", "--image_size=0,5"], ["--image_size=0,5"]),
        (["--epochs=1", "--optimizer=best"], ["--optimizer=best"]),
        (["--epochs=1", "--strategy=tpuu"], ["--strategy=tpuu"]),
        (["--epochs=1", "--lerning_rate=1"], ["lerning_rate"]),
        (
            ["--epochs=1", "--batch_sampling=balanced", "--class_weights=balanced"],
            ["--batch_sampling=balanced and --class_weights=balanced", "give one of them"],
        ),
        (["--epochs=1", "--learning_rate=nan"], ["--learning_rate=nan", "a finite number"]),
        (["--epochs=1", "--clip_norm=inf"], ["--clip_norm=inf", "a finite number"]),
        (["--epochs=1", "--model_options=reg=nan"], ["--model_options", "a finite number"]),
        (["--epochs=1", "--mixup=nan"], ["--mixup=nan", "a finite number"]),
        (["--epochs=1", "--accumulate=2"], ["--accumulate is called --grad_accum_steps now"]),
        (["--epochs=1", "--ema_decay=1"], ["--ema_decay=1", "less than 1"]),
        (
            ["--epochs=1", "--grad_accum_steps=3"],
            ["--grad_accum_steps=3", "16 images", "use 2 or 4"],
        ),
        (["--epochs=1", "--mixed_precision=float8"], ["--mixed_precision=float8"]),
        (["--epochs=1", "--jit_compile"], ["--jit_compile and --deterministic", "one of them"]),
        (["--epochs=1", "--reduce_lr_factor=1"], ["--reduce_lr_factor=1", "less than 1"]),
        (["--epochs=1", "--save_every_steps=9", "--save_every_epochs=2"], ["give one of them"]),
        (["--epochs=1", "stray"], ["unexpected argument: stray"]),
    ],
)
def test_wrong_flags_are_refused_before_data_is_touched(tmp_path, flags, words):
    finished = run_program(
        *TASK, f"--data_dir={tmp_path / 'none'}", f"--workdir={tmp_path / 'run'}", *flags
    )
    assert_one_line_error(finished, 2, *words)
    assert not (tmp_path / "run").exists()


def test_a_batch_larger_than_the_split_is_refused(prepared, tmp_path):
    finished = run_program(
        *TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--epochs=1",
        "--batch_size=100",
    )  # fmt: skip
    assert_one_line_error(finished, 1, "72 records", "--batch_size=72")


def test_an_image_too_small_for_the_model_is_refused(prepared, tmp_path):
    finished = run_program(
        "trainer.task", "--model=lenet", f"--data_dir={prepared}", "--epochs=1",
        f"--workdir={tmp_path / 'run'}",
    )  # fmt: skip
    assert_one_line_error(finished, 1, "received 8×8", "--image_size=32,32")
    assert not (tmp_path / "run").exists()


def test_help_is_for_a_person_and_needs_no_tensorflow():
    code = (
        "import sys, runpy; sys.argv = ['task', '--help']\n"
        "try: runpy.run_module('trainer.task', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "Trains a model on a dataset directory" in shown
    assert "--workdir=PATH" in shown
    assert "Required." in shown
    assert "(default: 64)" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_augmentation_is_part_of_the_run_and_its_flags_are_checked(prepared, tmp_path):
    asked = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=3"]
    finished = run_program(*asked, "--augment=cifar10", "--rotation=5", "--mixup=0.2", "--lanes=4")
    assert finished.returncode == 0, finished.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())["augmentation"]
    assert (config["rotation"], config["width_shift"], config["mixup"]) == (5, 0.1, 0.2)
    other = run_program(*asked, "--augment=cifar10", "--rotation=6")
    changes = "--rotation was 5.0 and is 6.0; --mixup was 0.2 and is 0.0;"
    assert_one_line_error(other, 1, "holds another run", changes)
    assert_one_line_error(run_program(*asked, "--zoom=2"), 2, "--zoom=2", "0.99")


def test_how_batches_are_made_up_is_part_of_the_run(prepared, tmp_path):
    asked = [*TASK, f"--data_dir={prepared}", f"--workdir={tmp_path / 'run'}", "--steps=3"]
    finished = run_program(*asked, "--batch_sampling=stratified", "--class_weights=balanced")
    assert finished.returncode == 0, finished.stderr
    other = run_program(*asked, "--batch_sampling=balanced")
    changed = (
        "--batch_sampling was stratified and is balanced; --class_weights was balanced and is none"
    )
    assert_one_line_error(other, 1, changed)
