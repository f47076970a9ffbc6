"""What is in the run directory of a run that was killed."""

import subprocess
import sys

import pytest

from headrace.errors import UserError
from tests.conftest import ROOT, run_program
from tests.trainer import workers
from tests.trainer.configs import with_values
from tests.trainer.conftest import TASK
from trainer import run_dir
from trainer.config import resume
from trainer.config import run as run_config


@pytest.fixture(scope="module")
def left_by_kills(run, tmp_path_factory):
    """The config of a run, and its run directory as kills at its making left it, by when."""
    folder = tmp_path_factory.mktemp("killed")
    finished = run_program("tests.trainer.deaths", run, folder)
    assert finished.returncode == 0, finished.stderr
    return run_config.read(str(run)), {path.name: path for path in folder.iterdir()}


def shown(directory) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def test_whenever_the_making_of_a_run_directory_is_killed_the_same_run_can_start_in_it(
    left_by_kills,
):
    config, directories = left_by_kills
    whole = ["config.json", "flags.txt", "mean_image.npy"]
    assert {tuple(shown(directory)) for directory in directories.values()} == {
        tuple(whole[:count]) for count in range(4)
    }
    for directory in directories.values():
        workdir = str(directory)
        resume.check_same_run(workdir, config)
        if shown(directory):
            assert run_config.read(workdir) == config
        else:
            with pytest.raises(UserError, match="is no run directory"):
                run_config.read(workdir)
        again = with_values(config, steps=config.training.steps + 1)
        run_dir.make(workdir, run_config.to_json(again), "--flag\n")
        assert run_config.read(workdir) == again
        assert (directory / "flags.txt").read_text() == "--flag\n"


def test_from_its_config_on_a_directory_is_that_runs(left_by_kills):
    config, directories = left_by_kills
    other = with_values(config, seed=config.data.seed + 1)
    claimed = [directory for directory in directories.values() if shown(directory)]
    assert claimed
    for directory in claimed:
        with pytest.raises(UserError, match="holds another run: `seed`"):
            resume.check_same_run(str(directory), other)


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path):
    for step in (1, 2, 3):
        run_dir.append_metrics(str(tmp_path), {"step": step, "split": "train", "loss": 0.5})
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[:-4])
    assert [row["step"] for row in run_dir.read_metrics(str(tmp_path))] == [1, 2]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (run_dir.METRICS, run_dir.read_metrics),
        (run_dir.RESULT, run_dir.read_result),
        (run_dir.MEAN_IMAGE, run_dir.read_mean_image),
        (run_dir.CONFIG, run_config.read),
    ],
)
@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"12\n", b'{"a": 1\n{}\n', b"\n{}\n", None])
def test_a_damaged_file_is_named_in_one_line(name, read, content, tmp_path):
    (tmp_path / name).mkdir() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name} is damaged \(.*\); ") as caught:
        read(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_lines_that_the_checkpoint_has_not_seen_are_dropped(tmp_path):
    def lines() -> list[tuple[int, str]]:
        return [(row["step"], row["split"]) for row in run_dir.read_metrics(str(tmp_path))]

    for step in (10, 20, 30):
        for split in ("train", "validation"):
            run_dir.append_metrics(str(tmp_path), {"step": step, "split": split, "loss": 0.5})
    before = lines()
    run_dir.forget_metrics_after(str(tmp_path), 20, evaluated=20)
    assert lines() == before[:4]
    run_dir.forget_metrics_after(str(tmp_path), 20, evaluated=10)
    assert lines() == before[:3]
    run_dir.append_metrics(str(tmp_path), {"step": 20, "split": "validation", "loss": 0.4})
    assert lines() == before[:4]


def test_a_run_without_metrics_has_none(tmp_path):
    assert run_dir.read_metrics(str(tmp_path)) == []
    assert run_dir.read_result(str(tmp_path)) is None


def test_a_run_that_goes_on_has_no_result_any_more(tmp_path):
    run_dir.make(str(tmp_path), "{}", "")
    run_dir.write_result(str(tmp_path), {"steps": 80, "evaluations_since_best": 0})
    assert run_dir.is_finished(str(tmp_path), 80)
    run_dir.make(str(tmp_path), "{}", "")
    assert run_dir.read_result(str(tmp_path)) is None


def test_evaluations_after_the_last_that_a_checkpoint_has_seen_are_dropped(tmp_path):
    for step in (10, 20):
        for split in ("train", "validation"):
            run_dir.append_metrics(str(tmp_path), {"step": step, "split": split})
    run_dir.forget_metrics_after(str(tmp_path), 20, 10)
    rows = [(row["step"], row["split"]) for row in run_dir.read_metrics(str(tmp_path))]
    assert rows == [(10, "train"), (10, "validation"), (20, "train")]


@pytest.mark.parametrize("name", ["metrics.jsonl", "result.json"])
def test_a_file_that_cannot_be_written_is_named_in_one_line(tmp_path, name):
    write = {"metrics.jsonl": run_dir.append_metrics, "result.json": run_dir.write_result}[name]
    with pytest.raises(UserError, match=rf"none/{name} cannot be written \(No such file"):
        write(str(tmp_path / "none"), {"step": 1})
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"{name} cannot be written \(Is a directory\); make room"):
        write(str(tmp_path), {"step": 1})


def test_a_full_disk_is_said_in_one_line(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\); make"):
        run_dir.append_metrics(str(tmp_path), {"step": 1})


def test_a_run_directory_has_one_run_at_a_time(prepared, tmp_path):
    """By the same command, at the same moment."""
    arguments = [
        *TASK,
        f"--data_dir={prepared}",
        f"--workdir={tmp_path / 'run'}",
        "--epochs=100000",
    ]
    command = [sys.executable, "-m", *arguments]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    try:
        workers.wait_until(lambda: any(p.poll() is not None for p in running), [])
        (refused,) = [p for p in running if p.poll() is not None]
        assert refused.returncode == 1
        assert b"another process is training in --workdir=" in refused.stderr.read()
        (left,) = [p for p in running if p is not refused]
        assert left.poll() is None
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_nothing_is_left_of_a_run_directory_that_was_held_for_nothing(tmp_path):
    with run_dir.lock(str(tmp_path / "run")):
        pass
    with run_dir.lock(str(tmp_path / "other")):
        (tmp_path / "other" / "config.json").touch()
    assert shown(tmp_path) == ["other"]
