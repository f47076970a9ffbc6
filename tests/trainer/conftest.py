"""A small finished run, shared by the tests of the programs that use one."""

import pathlib
import shutil

import pytest

from tests.conftest import run_program

TASK = (
    "trainer.task",
    "--model=resnet_cifar",
    "--model_options=stages=(1,1);filters=(4,4,8)",
    "--batch_size=16",
    "--learning_rate=0.05",
    "--deterministic",
)


@pytest.fixture(scope="session")
def run(prepared, tmp_path_factory) -> pathlib.Path:
    """A run directory, trained for 20 epochs of 4 steps on `prepared`; not to be changed."""
    workdir = tmp_path_factory.mktemp("run") / "run"
    finished = run_program(*TASK, f"--data_dir={prepared}", f"--workdir={workdir}", "--epochs=20")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return workdir


@pytest.fixture
def copy(run, tmp_path) -> pathlib.Path:
    """A copy of it, which may be changed."""
    return shutil.copytree(run, tmp_path / "copy")


@pytest.fixture(scope="session")
def images(prepared) -> list[pathlib.Path]:
    """Image files of the source that `prepared` was made of, two a class."""
    return sorted(prepared.parent.glob("source/*/00[01].png"))
