"""Worker processes under `trainer.launch`: their lines, their signals and their end."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys

import psutil
import pytest

from tests.conftest import ROOT
from tests.trainer.launches import (
    WORKER,
    alive,
    launch,
    started,
    starts,
    wait_for_files,
    wait_until,
)


@pytest.fixture
def start(tmp_path):
    """Start the launcher; what is left of it is killed."""
    with contextlib.ExitStack() as stack:
        yield lambda *deeds, **flags: stack.enter_context(started(tmp_path, *deeds, **flags))


def test_lines_keep_their_worker_their_stream_and_their_order_and_are_never_mixed(tmp_path):
    finished = launch(tmp_path, "all:print_lines:300", workers=3)
    assert finished.returncode == 0
    for text, parity in ((finished.stdout, 0), (finished.stderr, 1)):
        rows = [re.fullmatch(r"\[worker (\d)\] (\d+) -{200} \2", t) for t in text.splitlines()]
        assert len(rows) == 450
        for worker in "012":
            numbers = [int(row[2]) for row in rows if row and row[1] == worker]
            assert numbers == list(range(parity, 300, 2))


def test_a_long_line_without_an_end_does_not_block_and_is_shown_in_pieces(tmp_path):
    finished = launch(tmp_path, "0:print_bytes:300000", "1:print:short")
    assert finished.returncode == 0
    lines = finished.stdout.splitlines()
    assert "[worker 1] short" in lines
    lines.remove("[worker 1] short")
    assert len(lines) > 1
    assert all(line.startswith("[worker 0] x") for line in lines)
    assert sum(line.count("x") for line in lines) == 300000


def test_a_terminal_gets_the_names_in_colour_and_a_file_does_not(tmp_path):
    plain = launch(tmp_path, "all:print:hello")
    assert sorted(plain.stdout.splitlines()) == ["[worker 0] hello", "[worker 1] hello"]
    master, terminal = pty.openpty()
    subprocess.run(
        [
            *(sys.executable, "-m", "trainer.launch", "--workers=2"),
            *("--", WORKER, tmp_path, "all:print:hello"),
        ],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color"},
        stdout=terminal,
        timeout=60,
        check=True,
    )
    os.close(terminal)
    lines = sorted(os.read(master, 1 << 16).decode().splitlines())
    os.close(master)
    names = [line.removesuffix(" hello") for line in lines]
    assert all(re.fullmatch(r"\x1b\[\d+m\[worker \d\]\x1b\[0m", name) for name in names), names
    assert len({name[:5] for name in names}) == 2


def test_training_goes_on_when_nobody_reads_its_output_any_more(start, tmp_path):
    process = start("0:print:first", "0:await:go", "0:print_bytes:3000000", "0:ready")
    assert process.stdout.readline() == "[worker 0] first\n"
    process.stdout.close()
    (tmp_path / "go").touch()
    assert process.wait(60) == 0
    assert (tmp_path / "0-ready").exists()


def test_a_worker_that_hangs_and_hears_no_sigterm_is_killed_before_the_restart(tmp_path):
    finished = launch(
        tmp_path,
        *("0@0:ignore_sigterm", "0@0:ready", "0@0:sleep", "1@0:await:0-ready", "1@0:die:9"),
        grace_seconds=0.5,
    )
    assert finished.returncode == 0
    assert starts(tmp_path) == ["0-0", "0-1", "1-0", "1-1"]
    assert alive(tmp_path) == []


def test_what_a_dead_worker_had_started_is_killed_with_it(tmp_path):
    assert launch(tmp_path, "1@0:child", "1@0:die:9").returncode == 0
    child = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_ctrl_c_tells_the_workers_once_and_the_exit_code_says_that_all_have_saved(start, tmp_path):
    process = start("all:save_on_sigterm", "all:ready", "all:sleep")
    wait_for_files(tmp_path, "0-ready", "1-ready")
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    wait_for_files(tmp_path, "0-told", "1-told")
    process.send_signal(signal.SIGTERM)
    (tmp_path / "may-stop").touch()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75
    assert stderr.startswith("[launch] SIGINT: telling the workers to save and stop")
    assert len(stderr.splitlines()) == 1
    assert (tmp_path / "0-told").read_text() == "told\n"
    assert starts(tmp_path) == ["0-0", "1-0"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_workers_that_hear_no_sigterm_are_killed_after_the_grace(start, tmp_path, number, code):
    process = start("0:ignore_sigterm", "all:ready", "all:sleep", grace_seconds=0.5)
    wait_for_files(tmp_path, "0-ready", "1-ready")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "[launch] worker 0 had not ended when it was killed (SIGKILL)" in stderr
    assert alive(tmp_path) == []
    assert starts(tmp_path) == ["0-0", "1-0"]


def test_a_second_ctrl_c_kills_at_once(start, tmp_path):
    process = start("all:save_on_sigterm", "all:ready", "all:sleep", grace_seconds=3600)
    wait_for_files(tmp_path, "0-ready", "1-ready")
    process.send_signal(signal.SIGINT)
    wait_for_files(tmp_path, "0-told", "1-told")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert alive(tmp_path) == []


def test_no_worker_outlives_a_launcher_that_was_killed(start, tmp_path):
    process = start("all:ignore_sigterm", "all:ready", "all:sleep")
    wait_for_files(tmp_path, "0-ready", "1-ready")
    assert len(alive(tmp_path)) == 2
    process.kill()
    wait_until(lambda: not alive(tmp_path))
