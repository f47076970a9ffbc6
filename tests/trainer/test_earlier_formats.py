"""A run directory that an earlier Headrace wrote is one: it is trained on, evaluated, exported.

`written_by_format_1` holds a dataset and a run of nine steps on it, as version 0.1.0 left them,
with every option that can be told from the config.
"""

import json
import pathlib
import shutil

import pytest

from tests.conftest import assert_one_line_error, run_program

WRITTEN = pathlib.Path(__file__).parent / "written_by_format_1"
TASK = (
    "--model=resnet_cifar",
    "--model_options=stages=(1,1);filters=(4,4,8)",
    "--batch_size=8",
    "--learning_rate=0.05",
    "--deterministic",
    "--ema_decay=0.9",
    "--grad_accum_steps=2",
    "--clip_norm=1",
    "--shuffle_chunk=2",
    "--shuffle_window=2",
    "--reduce_lr_patience=2",
    "--reduce_lr_factor=0.5",
    "--max_to_keep=1",
    "--augment=cifar10",
    "--rotation=5",
    "--normalization=mean_image",
)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(WRITTEN, tmp_path, dirs_exist_ok=True)
    return tmp_path


def train(folder: pathlib.Path, *flags: str):
    return run_program(
        "trainer.task",
        *TASK,
        f"--data_dir={folder / 'data'}",
        f"--workdir={folder / 'run'}",
        *flags,
    )


def test_it_is_known_to_be_finished(copy):
    finished = train(copy, "--steps=9")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"{copy / 'run'} is finished, at step 9" in finished.stdout


def test_it_is_trained_on_from_its_checkpoint(copy):
    finished = train(copy, "--steps=12")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "resuming from the checkpoint at step 9" in finished.stdout
    before = (WRITTEN / "run" / "metrics.jsonl").read_text()
    assert (copy / "run" / "metrics.jsonl").read_text().startswith(before)
    assert json.loads((copy / "run" / "result.json").read_text())["steps"] == 12
    finished = train(copy, "--steps=12")
    assert f"{copy / 'run'} is finished, at step 12" in finished.stdout


def test_what_it_was_trained_with_is_compared(copy):
    finished = train(copy, "--steps=12", "--grad_accum_steps=1", "--shuffle_chunk=1")
    assert_one_line_error(
        finished,
        1,
        "--grad_accum_steps was 2 and is 1",
        "--shuffle_chunk was 2 and is 1",
        "--allow_changes",
    )
    finished = train(copy, "--steps=12", "--grad_accum_steps=1", "--allow_changes")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "--grad_accum_steps was 2 and is 1" in finished.stdout


def test_it_is_evaluated_exported_and_asked(copy):
    workdir = f"--workdir={copy / 'run'}"
    finished = run_program("trainer.evaluate", workdir, f"--data_dir={copy / 'data'}")
    assert (finished.returncode, finished.stderr) == (0, "")
    written = json.loads((copy / "run" / "evaluation-test.json").read_text())
    result = json.loads((copy / "run" / "result.json").read_text())["splits"]["test"]
    for name in ("rank1", "rank5", "loss", "records"):
        assert written[name] == pytest.approx(result[name], rel=1e-3)
    finished = run_program("trainer.export", workdir)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert (copy / "run/export/0001/saved_model.pb").exists()


def test_another_run_starts_from_it(copy):
    finished = run_program(
        "trainer.task",
        *TASK,
        f"--data_dir={copy / 'data'}",
        f"--workdir={copy / 'other'}",
        f"--init_from={copy / 'run'}",
        "--steps=1",
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"starting from the weights of {copy / 'run'}, best checkpoint, step 9" in (
        finished.stdout
    )


@pytest.mark.parametrize("change", [{"format": 99}, {"format": 1, "warp_drive": "on"}])
@pytest.mark.parametrize("program", ["trainer.evaluate", "trainer.task"])
def test_a_config_that_a_newer_version_wrote_is_one_clear_line(copy, program, change):
    path = copy / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if program == "trainer.task":
        finished = train(copy, "--steps=12")
    else:
        finished = run_program(program, f"--workdir={copy / 'run'}")
    assert_one_line_error(finished, 1, "config.json", "a newer one wrote it", *list(change)[1:])


def test_fields_that_an_older_version_did_not_have_get_their_defaults(copy):
    path = copy / "run" / "config.json"
    fields = json.loads(path.read_text())
    for name in ("jit_compile", "deterministic", "on_bad_record"):
        del fields[name]
    path.write_text(json.dumps(fields))
    finished = train(copy, "--steps=12")
    assert (finished.returncode, finished.stderr) == (0, "")
