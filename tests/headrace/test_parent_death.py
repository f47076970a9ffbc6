"""A child that ends with its parent, whatever ends that."""

import os
import subprocess
import sys
import time

import psutil

from tests.conftest import ROOT

CHILD = (
    "import os, sys, time\n"
    "from headrace import parent_death\n"
    "parent_death.kill_with_parent(int(sys.argv[1]))\n"
    "print(os.getpid(), flush=True)\n"
    "time.sleep(1000)\n"
)
PARENT = (
    "import os, subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid())]).wait()\n"
)


def test_a_child_is_killed_when_its_parent_is():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    wait_until_gone(child)


def test_a_child_whose_parent_has_ended_before_it_asked_ends_at_once():
    finished = subprocess.run(
        [sys.executable, "-c", CHILD, str(os.getppid())], cwd=ROOT, capture_output=True, check=False
    )
    assert (finished.returncode, finished.stdout) == (1, b"")


def wait_until_gone(process: psutil.Process) -> None:
    """Waits until a process that is no child has ended."""
    for _ in range(3000):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError("it has outlived its parent")
