"""`trainer.launch`, with real processes: those of `tests.trainer.launched`, and the trainer."""

import json
import pathlib
import re
import subprocess
import sys

import psutil
import pytest

from tests.conftest import ROOT, assert_one_line_error, run_program
from tests.trainer.conftest import TASK
from tests.trainer.launches import WORKER, launch, said, starts, wait_until
from trainer.distribution.cluster import Cluster


def clusters(folder: pathlib.Path, index: int) -> list[int]:
    """How many workers there were in each start of one of them."""
    texts = [path.read_text() for path in sorted(folder.glob(f"{index}-*.json"))]
    return [len(json.loads(text)["config"]["cluster"]["worker"]) for text in texts]


def test_each_worker_finds_all_others_and_itself(tmp_path):
    finished = launch(tmp_path, workers=3)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    configs = [
        json.loads((tmp_path / f"{index}-0.json").read_text())["config"] for index in (0, 1, 2)
    ]
    members = [Cluster.from_environment({"TF_CONFIG": json.dumps(each)}) for each in configs]
    assert [member.name for member in members] == ["worker 0", "worker 1", "worker 2"]
    assert [member.is_chief for member in members] == [True, False, False]
    (addresses,) = {tuple(member.addresses["worker"]) for member in members}
    assert len(set(addresses)) == 3


def test_a_single_worker_has_no_cluster_even_where_one_was_set(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    assert launch(tmp_path, workers=1).returncode == 0
    assert json.loads((tmp_path / "0-0.json").read_text())["config"] is None


@pytest.mark.parametrize(
    ("deed", "cause"),
    [
        ("die:9", "worker 1 was killed (SIGKILL)"),
        ("raise:ValueError", "worker 1 failed (errors.ValueError: so it is)"),
        ("exit:3", "worker 1 failed (exit code 3)"),
        ("exit:75", "worker 1 was interrupted"),
    ],
)
def test_when_a_worker_dies_all_start_again_with_new_ports(tmp_path, deed, cause):
    finished = launch(
        tmp_path, "1@0:await:0-0.json", "1@0:" + deed, "all@0:sleep", grace_seconds=0.5
    )
    assert finished.returncode == 0
    assert starts(tmp_path) == ["0-0", "0-1", "1-0", "1-1"]
    (line,) = said(finished.stderr)
    assert line.startswith(f"[launch] {cause} after ")
    assert line.endswith("starting all again from the last checkpoint (restart 1 of 3)")
    first, second = (json.loads((tmp_path / f"0-{n}.json").read_text()) for n in (0, 1))
    assert first["config"]["cluster"] != second["config"]["cluster"]


def test_a_single_worker_is_started_again_too(tmp_path):
    finished = launch(tmp_path, "0@0:die:9", workers=1)
    assert finished.returncode == 0
    assert starts(tmp_path) == ["0-0", "0-1"]


def test_the_worker_that_died_first_is_named_though_another_one_ended_before_it(tmp_path):
    finished = launch(
        tmp_path,
        *("0@0:await:1-ready", "0@0:raise:UnavailableError"),
        *("1@0:ready", "1@0:pause:0.5", "1@0:raise:ValueError"),
    )
    assert finished.returncode == 0
    (line,) = said(finished.stderr)
    assert line.startswith("[launch] worker 1 failed (errors.ValueError: so it is)")


def test_it_gives_up_after_max_restarts_with_the_code_of_the_worker(tmp_path):
    finished = launch(tmp_path, "1:die:9", max_restarts=2)
    assert finished.returncode == 137
    assert clusters(tmp_path, 1) == [2, 2, 2]
    lines = said(finished.stderr)
    assert [re.search(r"restart \d of 2", line) is not None for line in lines] == [
        True,
        True,
        False,
    ]
    assert lines[-1].endswith("not started again (--max_restarts=2)")


@pytest.mark.parametrize("code", [1, 2])
def test_a_mistake_is_shown_once_and_not_tried_again(tmp_path, code):
    # Both have said it before one of them ends.
    everyone = (
        "all:complain:error: no such thing",
        "all:ready",
        "0:await:1-ready",
        "1:await:0-ready",
    )
    finished = launch(tmp_path, *everyone, f"all:exit:{code}", workers=2)
    assert_one_line_error(finished, code, "error: no such thing")
    assert starts(tmp_path) == ["0-0", "1-0"]


@pytest.mark.parametrize(("lanes", "count"), [(8, 2), (6, 3)])
def test_fewer_workers_that_divide_the_lanes_go_on_when_one_cannot_come_back(
    tmp_path, lanes, count
):
    finished = launch(
        tmp_path, "3:await:0-0.json", "3:die:9", f"--lanes={lanes}", workers=4, min_workers=1
    )
    assert finished.returncode == 0
    assert clusters(tmp_path, 3) == [4, 4]
    assert clusters(tmp_path, 0)[-1] == count
    assert said(finished.stderr)[-1].endswith(
        f"and does not come back; going on from the last checkpoint with {count} workers of 4"
    )


def test_no_fewer_workers_than_min_workers_go_on(tmp_path):
    finished = launch(tmp_path, "0:die:9", workers=4, min_workers=2, max_restarts=1)
    assert finished.returncode == 137
    assert clusters(tmp_path, 0) == [4, 4, 2, 2]


def test_a_run_whose_worker_is_killed_is_finished_by_the_same_command(prepared, tmp_path):
    workdir = tmp_path / "run"
    command = [sys.executable, "-m", "trainer.launch", "--workers=2", "--", *TASK]
    flags = [f"--data_dir={prepared}", f"--workdir={workdir}", "--steps=200"]
    with subprocess.Popen(
        [*command, *flags, "--save_every_steps=25"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: logged(workdir, "train")[-1:] >= [50] or process.poll() is not None)
            chief, other = psutil.Process(process.pid).children()
            assert '"index": 0' in chief.environ()["TF_CONFIG"]
            other.kill()
            stdout, stderr = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, stderr
    (line,) = said(stderr)
    assert line.startswith("[launch] worker 1 was killed (SIGKILL) after ")
    assert re.search(
        r"^\[worker 0\] resuming from the checkpoint at step \d+$", stdout, re.MULTILINE
    )
    assert json.loads((workdir / "result.json").read_text())["steps"] == 200
    # 4 steps an epoch, and at every checkpoint: nothing is logged twice, and nothing is left out.
    assert logged(workdir, "train") == sorted({*range(4, 201, 4), *range(25, 201, 25)})


def logged(workdir: pathlib.Path, split: str) -> list[int]:
    """The steps at which a run has logged the numbers of a split."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return [row["step"] for row in rows if row["split"] == split]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--workers is required"]),
        (["--workers=0", "--", "--model=lenet"], ["workers", "0"]),
        (["--workers=2"], ["nothing to run", "after --"]),
        (["--workers=2", "--model=lenet"], ["unknown", "'model'; flags of the workers follow --"]),
        (["--max_restart=2", "--", "--model=lenet"], ["Did you mean: max_restarts ? (see"]),
        (["--workers=2", "--min_workers=3", "--", WORKER], ["--min_workers=3", "--workers=2"]),
        (["--workers=2", "--max_restarts=-1", "--", WORKER], ["max_restarts"]),
        (["--workers=2", "--model=lenet"], ["model"]),
        (["--workers=2", "--", "no.such", "--a=1"], ["no module no.such", "--"]),
        (["--workers=2", "--", "--lanes=many"], ["lanes", "many"]),
        (
            ["--workers=2", "--min_workers=1", "--", "--strategy=multi_worker_mirrored"],
            ["--min_workers=1", "--strategy=multi_worker_mirrored"],
        ),
    ],
)
def test_a_wrong_flag_is_an_error_of_one_line(arguments, words):
    assert_one_line_error(run_program("trainer.launch", *arguments), 2, *words)


def test_help_is_for_people_and_no_tensorflow_is_imported():
    finished = run_program("trainer.launch", "--help")
    assert finished.returncode == 0
    assert "--min_workers=NUMBER" in finished.stdout
    code = "import sys, trainer.launch; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_beside_servers_a_worker_starts_again_by_itself_and_the_chief_has_the_end(tmp_path):
    finished = launch(
        tmp_path, "1@0:die:9", "all:await:1-1.json", "0:exit:75", workers=2, servers=1
    )
    assert finished.returncode == 0
    once = ["0-0", "chief-0", "evaluator-0", "ps-0"]
    assert starts(tmp_path) == sorted([*once, "1-0", "1-1"])
    (line,) = said(finished.stderr)
    assert line.endswith("worker 1 was killed (SIGKILL); starting it again, the others go on")


def test_a_server_that_dies_has_all_start_again(tmp_path):
    tasks = ("0", "chief", "evaluator", "ps")
    others = [f"ps@0:await:{task}-0.json" for task in tasks[:3]]
    finished = launch(tmp_path, *others, "ps@0:die:9", "all@0:sleep", workers=1, servers=1)
    assert finished.returncode == 0
    assert starts(tmp_path) == sorted(f"{task}-{start}" for task in tasks for start in (0, 1))
    (line,) = said(finished.stderr)
    assert line.startswith("[launch] ps 0 was killed (SIGKILL) after ")
