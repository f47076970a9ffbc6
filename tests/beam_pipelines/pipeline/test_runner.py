"""What Beam is told: how many local workers, which flags, where a cluster is; and lost tasks."""

import os
import socket
import subprocess
import sys
import traceback

import pytest

from beam_pipelines.pipeline import listing, runner
from headrace.errors import UsageError, UserError
from tests.beam_pipelines.jobs import prepare
from tests.conftest import ROOT, assert_one_line_error, write_images


@pytest.mark.parametrize(
    ("images", "mean_bytes", "mode"),
    [
        (100, 100_000, "in_memory"),
        (2_000, 100_000, "multi_threading"),
        (2_000, 1_000, "in_memory"),
        (60_000, 1_000, "multi_processing"),
    ],
)
def test_workers_are_started_where_they_are_worth_it(images, mean_bytes, mode):
    given = runner.options([], images, mean_bytes).get_all_options()
    workers = 1 if mode == "in_memory" else os.cpu_count()
    assert (given["direct_running_mode"], given["direct_num_workers"]) == (mode, workers)


@pytest.mark.parametrize(("mode", "workers"), [("multi_threading", 3), ("in_memory", 1)])
def test_what_the_user_says_about_workers_holds(mode, workers):
    flags = [f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"]
    given = runner.options(flags, 60_000, 1000).get_all_options()
    assert (given["direct_running_mode"], given["direct_num_workers"]) == (mode, workers)


def _losing_scans(pipeline, tasks, scan, plan, write):
    _build(pipeline, tasks[1:], scan, plan, write)


def _losing_writes(pipeline, tasks, scan, plan, write):
    _build(pipeline, tasks, scan, lambda: plan()[1:], write)


_build = runner.build


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (_losing_scans, "has 20 images, but 12 were scanned: the runner lost some"),
        (_losing_writes, "lost the task of writing shades-train.tfrecord-00000-of-00001"),
    ],
)
def test_a_lost_task_ends_the_job_without_a_card(tmp_path, monkeypatch, build, said):
    write_images(tmp_path / "source", {"dark": 10, "light": 10})
    monkeypatch.setattr(listing, "_CHUNK", 8)
    monkeypatch.setattr(runner, "build", build)
    with pytest.raises(UserError, match=said):
        prepare(tmp_path / "source", tmp_path / "data", shard_mb=1)
    assert not (tmp_path / "data" / "card.json").exists()


@pytest.mark.parametrize(
    "flag",
    [
        "--worker_machine_type=n1-standard-2",
        "--no_use_public_ips",
        "--experiment=x",
        "--job_name=x",
        "--parallelism=2",
    ],
)
def test_flags_of_beam_are_known_as_they_are_written(flag):
    runner.options(["--runner=DataflowRunner", flag])


@pytest.mark.parametrize("flag", ["--splitz=a", "--use_public_addresses", "--no_runner"])
def test_other_flags_are_not(flag):
    with pytest.raises(UsageError, match=f"{flag}: it is neither"):
        runner.options([flag])


@pytest.mark.parametrize("name", ["DaskRunner", "apache_beam.runners.dask.dask_runner.DaskRunner"])
def test_dask_has_parts_enough_for_many_workers_unless_the_user_knows_better(name):
    flags = [f"--runner={name}", "--dask_client_address=tcp://host:1"]
    assert runner.options(flags).get_all_options()["npartitions"] > 16
    assert runner.options([*flags, "--dask_npartitions=3"]).get_all_options()["npartitions"] == 3
    other = runner.options([*flags, "--dask_partition_size=5"]).get_all_options()
    assert (other["npartitions"], other["partition_size"]) == (None, 5)


def test_without_dask_its_runner_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'apache-beam\[dask\]'"):
        runner.options(["--runner=DaskRunner"])


@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=DaskRunner", "--dask_client_address=tcp://127.0.0.1:{}"],
        ["--runner=PortableRunner", "--environment_type=LOOPBACK", "--job_endpoint=127.0.0.1:{}"],
    ],
)
def test_a_cluster_that_is_not_there_is_named_before_anything_is_written(flags, tmp_path):
    write_images(tmp_path / "source", {"dark": 12, "light": 18})
    with socket.socket() as taken:  # and not listening
        taken.bind(("127.0.0.1", 0))
        flags = [flag.format(taken.getsockname()[1]) for flag in flags]
        with pytest.raises(UserError, match=f"{flags[-1]}: nobody answers"):
            prepare(tmp_path / "source", tmp_path / "data", *flags)
    assert not (tmp_path / "data").exists()


def test_an_address_without_a_port_is_named():
    with pytest.raises(UserError, match="--job_endpoint=localhost: nobody"):
        runner.check_reachable(["--job_endpoint=localhost"])


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--direct_num_workers=abc", "direct_num_workers: invalid int value: 'abc'"),
        ("--direct_num_workers=-3", "expected 1 or more, or 0"),
        ("--direct_running_mode=fast", "choose from 'in_memory'"),
        ("--runner=Nonsense", "--runner=Nonsense: Unexpected pipeline runner"),
        ("3", "3: expected flags of the form --name=value"),
    ],
)
def test_values_that_beam_does_not_take_are_told_in_one_line(flag, said, capsys):
    with pytest.raises(UsageError, match=said) as caught:
        runner.options([flag])
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (0, ["No usable temporary directory", "TMPDIR"]),
        (1, ["File too large", "TMPDIR"]),
        (4, ["cannot read or write its files", "run the job again"]),
        (16, ["cannot read or write its files", "run the job again"]),
    ],
)
def test_a_full_disk_is_named_and_leaves_no_card(tmp_path, blocks, words):
    """A bound on the size of files stands for it: of the list, the scan's, the image table."""
    write_images(tmp_path / "source", {"dark": 10, "light": 10})
    finished = subprocess.run(
        [
            *("bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash"),
            *(sys.executable, "-m", "beam_pipelines.prepare"),
            *(f"--source=folder:{tmp_path / 'source'}", f"--output_dir={tmp_path / 'data'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert_one_line_error(finished, 1, *words)
    assert not (tmp_path / "data" / "card.json").exists()


def test_a_users_mistake_that_a_worker_finds_is_told_as_one():
    (line,) = traceback.format_exception_only(UserError("gs://b is gone"))
    text = f"Traceback\n  File x\n{line.rstrip()} [while running 'scan']\n\n"
    for error in (RuntimeError(text), UserError("gs://b is gone [while running 'scan']")):
        assert str(runner._user_error(error)) == "gs://b is gone"
    defect = RuntimeError("Traceback\nKeyError: 3 [while running 'plan']")
    assert runner._user_error(defect) is defect
