"""Files and folders are whole or not there, whoever is killed; one process holds a folder."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from headrace import atomic
from headrace.errors import UserError
from tests.conftest import ROOT

# Writes a little, says so, and is killed in the middle.
KILLED = """
import os, pathlib, sys
from headrace import atomic
with getattr(atomic, sys.argv[1])(sys.argv[2]) as staging:
    file = pathlib.Path(staging, "part") if os.path.isdir(staging) else pathlib.Path(staging)
    file.write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def start(kind: str, path: pathlib.Path) -> subprocess.Popen:
    """A process that is writing, and goes on until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, kind, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"writing\n"
    return process


def kill(process: subprocess.Popen) -> None:
    process.kill()
    with process:
        assert process.wait(60) == -signal.SIGKILL


def write(kind: str, path: str | pathlib.Path, content: bytes) -> None:
    with getattr(atomic, kind)(str(path)) as staging:
        target = pathlib.Path(staging, "a", "b") if kind == "atomic_dir" else pathlib.Path(staging)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def content(kind: str, path: pathlib.Path) -> bytes:
    return (path / "a" / "b" if kind == "atomic_dir" else path).read_bytes()


KINDS = pytest.mark.parametrize("kind", ["atomic_dir", "atomic_file"])


@KINDS
@pytest.mark.parametrize("folder", ["", "./", "{here}/"])
def test_what_is_written_is_there_and_replaced_and_nothing_else(
    tmp_path, monkeypatch, kind, folder
):
    monkeypatch.chdir(tmp_path)
    for wanted in (b"first", b"second"):
        write(kind, f"{folder.format(here=tmp_path)}it", wanted)
        assert content(kind, tmp_path / "it") == wanted
        assert os.listdir(tmp_path) == ["it"]


@KINDS
def test_an_error_leaves_what_was_there(tmp_path, kind):
    write(kind, tmp_path / "it", b"before")
    with pytest.raises(ZeroDivisionError), getattr(atomic, kind)(str(tmp_path / "it")):
        _ = 1 / 0
    assert content(kind, tmp_path / "it") == b"before"
    assert os.listdir(tmp_path) == ["it"]


@KINDS
def test_the_next_writer_clears_what_a_killed_one_left_and_nothing_of_a_living_one(tmp_path, kind):
    path = tmp_path / "it"
    other = start(kind, tmp_path / "other")
    living, killed = start(kind, path), start(kind, path)
    kill(killed)
    kill(other)
    assert not path.exists()
    assert len(os.listdir(tmp_path)) == 3
    write(kind, path, b"whole")
    left = sorted(name.split(".")[1] for name in os.listdir(tmp_path) if name != "it")
    assert left == ["it", "other"]  # the living one's, and what is none of its business
    kill(living)
    write(kind, path, b"again")
    assert content(kind, path) == b"again"
    assert [name for name in os.listdir(tmp_path) if name.startswith(".it")] == []


def test_writers_at_the_same_time_do_not_clear_each_others_folders(tmp_path):
    errors = []

    def work(number: int) -> None:
        try:
            for _ in range(40):
                write("atomic_file", tmp_path / "it", b"%d" % number * 9)
        except Exception as error:  # shown by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(set((tmp_path / "it").read_bytes())) == 1
    assert os.listdir(tmp_path) == ["it"]


def test_folders_above_are_made_for_a_folder_and_missed_for_a_file(tmp_path):
    write("atomic_dir", tmp_path / "x" / "y" / "it", b"")
    with pytest.raises(FileNotFoundError):
        write("atomic_file", tmp_path / "z" / "it", b"")


def test_a_folder_goes_to_a_bucket_at_any_depth_its_last_file_last(bucket, monkeypatch):
    times = []
    with atomic.atomic_dir(f"gs://{bucket.name}/model/0001", last="seal") as staging:
        for name in ("seal", "a", "variables/b", "zz"):
            path = pathlib.Path(staging, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(name)
        assert list(bucket.list_blobs()) == []
    for blob in bucket.list_blobs():
        assert blob.name == f"model/0001/{blob.download_as_text()}"
        times.append((blob.time_created, blob.name))
    assert len(times) == 4
    assert max(times)[1] == "model/0001/seal"


def test_a_folder_that_is_not_uploaded_whole_leaves_nothing_in_a_bucket(bucket, monkeypatch):
    upload = atomic._upload_file

    def fail_at_the_last(local: str, path: str) -> None:
        if path.endswith("seal"):
            raise OSError("the line is dead")
        upload(local, path)

    monkeypatch.setattr(atomic, "_upload_file", fail_at_the_last)
    with (
        pytest.raises(OSError, match="the line is dead"),
        atomic.atomic_dir(f"gs://{bucket.name}/model", last="seal") as staging,
    ):
        for name in ("a", "seal"):
            pathlib.Path(staging, name).touch()
    assert list(bucket.list_blobs()) == []


def test_a_file_goes_to_a_bucket(bucket):
    write("atomic_file", f"gs://{bucket.name}/x/it", b"content")
    assert bucket.blob("x/it").download_as_bytes() == b"content"


def test_a_folder_that_is_removed_is_gone_with_all_in_it(tmp_path):
    write("atomic_dir", tmp_path / "it", b"")
    atomic.remove_dir(str(tmp_path / "it"))
    assert os.listdir(tmp_path) == []


def test_one_process_at_a_time_has_a_folder_and_a_killed_one_has_it_no_longer(tmp_path):
    script = (
        "import sys; from headrace import atomic\n"
        "with atomic.lock_dir(sys.argv[1], 'taken'): print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "it"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"locked\n"
    with pytest.raises(UserError, match="taken"), atomic.lock_dir(str(tmp_path / "it"), "taken"):
        pass
    kill(holder)
    assert (tmp_path / "it").is_dir()
    with atomic.lock_dir(str(tmp_path / "it"), "taken"):
        pass
    assert (tmp_path / "it").is_dir()  # it was there before


def test_nothing_is_left_of_a_folder_that_was_made_to_be_locked(tmp_path):
    for name, is_used in (("used", True), ("unused", False)):
        with atomic.lock_dir(str(tmp_path / name), "taken"):
            if is_used:
                (tmp_path / name / "file").touch()
    assert os.listdir(tmp_path) == ["used"]
    shutil.rmtree(tmp_path / "used")


def test_a_bucket_has_no_locks(bucket):
    with (
        atomic.lock_dir(f"gs://{bucket.name}/run", "taken"),
        atomic.lock_dir(f"gs://{bucket.name}/run", "taken"),
    ):
        pass
