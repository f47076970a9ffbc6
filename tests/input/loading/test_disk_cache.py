"""Folders of NumPy files: whole or not there, and nothing is left of a process that was killed."""

import contextlib
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from input.loading import disk_cache
from tests.conftest import ROOT

NAMES = ("digits-0123456789abcdef", "other.name-ffffffffffffffff")
KINDS: disk_cache.Kinds = {"good": ((5,), np.bool_), "label": ((5, 2), np.int64)}

WRITER = """
import pathlib, sys
import numpy as np
from input.loading import disk_cache
def fill(arrays):
    arrays["good"][:], arrays["label"][:] = True, int(sys.argv[2])
    print("filled", flush=True)
    sys.stdin.readline()
kinds = {"good": ((5,), np.bool_), "label": ((5, 2), np.int64)}
usable = lambda arrays: bool(arrays["good"].all())
arrays = disk_cache.write(pathlib.Path(sys.argv[1]), kinds, fill, usable)
print(int(arrays["label"][4, 1]), flush=True)
"""


@contextlib.contextmanager
def writer(folder: pathlib.Path, value: int) -> Iterator[subprocess.Popen]:
    """A process that has written all values of a folder and waits for a line to put it in place."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(value)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "filled\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def write(folder: pathlib.Path, value: int) -> disk_cache.Arrays:
    def fill(arrays: disk_cache.Arrays) -> None:
        arrays["good"][:], arrays["label"][:] = True, value

    return disk_cache.write(folder, KINDS, fill, lambda arrays: bool(arrays["good"].all()))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_killed_process_was_writing_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path, name
):
    folder = tmp_path / name
    (tmp_path / ".hidden").mkdir()
    with writer(folder, 1) as dead, writer(folder, 2) as alive:
        (both := set(tmp_path.iterdir())).remove(tmp_path / ".hidden")
        assert len(both) == 2
        disk_cache.remove_abandoned(tmp_path)
        assert both < set(tmp_path.iterdir())
        dead.send_signal(signal.SIGKILL)
        assert dead.wait(60) == -signal.SIGKILL
        disk_cache.remove_abandoned(tmp_path)
        (left,) = both & set(tmp_path.iterdir())
        disk_cache.remove_abandoned(tmp_path)
        assert left.is_dir()
        output, _ = alive.communicate("\n", timeout=60)
        assert (alive.returncode, output) == (0, "2\n")
    assert set(tmp_path.iterdir()) == {folder, tmp_path / ".hidden"}


def test_of_two_processes_that_write_the_same_the_second_takes_what_the_first_wrote(tmp_path):
    folder = tmp_path / NAMES[0]
    with writer(folder, 1) as first, writer(folder, 2) as second:
        for process in (second, first):
            output, _ = process.communicate("\n", timeout=60)
            assert (process.returncode, output) == (0, "2\n")
    assert list(tmp_path.iterdir()) == [folder]
    arrays = disk_cache.load(folder, KINDS)
    assert arrays is not None and (arrays["label"] == 2).all()


def test_many_processes_that_write_at_once_all_succeed(tmp_path):
    folder = tmp_path / NAMES[0]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writer(folder, value)) for value in range(4)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        values = {process.communicate(timeout=60)[0] for process in processes}
        assert [process.returncode for process in processes] == [0] * 4
    assert len(values) == 1
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["good", "label"])
def test_what_is_there_and_will_not_do_is_replaced(tmp_path, name):
    folder = tmp_path / NAMES[0]
    write(folder, 1)
    if name == "good":
        np.save(folder / "good.npy", np.zeros(5, bool))
    else:
        (folder / "label.npy").write_bytes(b"noise")
    assert (write(folder, 2)["label"] == 2).all()
    arrays = disk_cache.load(folder, KINDS)
    assert arrays is not None and (arrays["label"] == 2).all()
    assert list(tmp_path.iterdir()) == [folder]


def test_an_error_leaves_nothing_behind(tmp_path):
    def fill(arrays: disk_cache.Arrays) -> None:
        raise ValueError("no values")

    with pytest.raises(ValueError, match="no values"):
        disk_cache.write(tmp_path / NAMES[0], KINDS, fill, lambda arrays: True)
    assert not list(tmp_path.iterdir())
