"""`~` in a path is the home folder in every program, also where a shell leaves it: `--flag=~/x`."""

import re

import pytest

from tests.conftest import run_program, write_images
from tests.trainer.conftest import TASK

PROGRAMS = (
    "beam_pipelines.prepare",
    "beam_pipelines.to_hdf5",
    "trainer.evaluate",
    "trainer.export",
    "trainer.inspect",
    "trainer.predict",
    "trainer.task",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_flag_that_is_a_path_is_read_as_one(program):
    shown = run_program(program, "--help").stdout
    flags = dict(re.findall(r"^  --(\w+)=(\S+)$", shown, re.MULTILINE))
    paths = {name for name in flags if re.search(r"dir$|^output|^init_from$", name)}
    assert paths
    assert {flags[name] for name in paths} == {"PATH"}


@pytest.mark.parametrize(
    "command",
    [
        ("trainer.task", "--data_dir=~/none", "--workdir=~/run", "--model=lenet", "--epochs=1"),
        ("trainer.evaluate", "--workdir=~/none"),
        ("trainer.export", "--workdir=~/none"),
        ("trainer.predict", "--workdir=~/none", "a.jpg"),
        ("trainer.inspect", "--workdir=~/none"),
        ("trainer.inspect", "--data_dir=~/none"),
        ("beam_pipelines.to_hdf5", "--data_dir=~/none", "--output=~/a.h5"),
        ("beam_pipelines.prepare", "--source=folder:~/none", "--output_dir=~/data"),
        ("beam_pipelines.prepare", "--source=listing:~/none", "--output_dir=~/data"),
    ],
)
def test_it_is_looked_for_at_home(command, tmp_path):
    finished = run_program(*command, HOME=str(tmp_path))
    assert finished.returncode == 1
    assert str(tmp_path / "none") in finished.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_is_prepared_trained_and_begun_again_at_home(tmp_path):
    write_images(tmp_path / "photos", {"dark": 20, "light": 20})
    for command in (
        ("beam_pipelines.prepare", "--source=folder:~/photos", "--output_dir=~/data"),
        (*TASK, "--data_dir=~/data", "--workdir=~/run", "--steps=1", "--cache=disk",
         "--cache_dir=~/cache"),
        (*TASK, "--data_dir=~/data", "--workdir=~/next", "--steps=1", "--init_from=~/run"),
    ):  # fmt: skip
        finished = run_program(*command, HOME=str(tmp_path))
        assert (finished.returncode, finished.stderr) == (0, "")
    made = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert made == {"photos", "data", "run", "cache", "next"}
    again = run_program(
        "trainer.task", f"--flagfile={tmp_path / 'run/flags.txt'}", HOME=str(tmp_path)
    )
    assert f"{tmp_path / 'run'} is finished" in again.stdout
