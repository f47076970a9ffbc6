"""The README's commands and those of docs/training.md, pasted in their order, and its Python."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

from recipes import demo
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
TRAINING = (ROOT / "docs/training.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_every_command_works_as_pasted(tmp_path):
    demo.write_digits(tmp_path / "demo/digits")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [shlex.split(block) for page in (README, TRAINING) for block in blocks(page, "sh")]
    assert commands.pop(0) == ["source", ".venv/bin/activate"]
    assert [command[2] for command in commands] == [
        "beam_pipelines.prepare",
        "trainer.inspect",
        "trainer.task",
        "trainer.evaluate",
        "trainer.export",
        "trainer.predict",
        *["trainer.task"] * 4,
        "trainer.inspect",
        "trainer.task",
        *["trainer.inspect"] * 2,
        "trainer.task",
    ]
    for command in [*commands, ["python", "-c", *blocks(README, "python")]]:
        finished = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert finished.returncode == 0, (command, finished.stderr)
    assert "b'3'" in finished.stdout


def test_the_readme_names_files_that_exist():
    for name in ("cloudbuild.yaml", "deploy/Dockerfile", "docs/recipes.md", "benchmarks/results"):
        assert name in README
        assert pathlib.Path(ROOT / name).exists()


def test_the_makefile_has_what_the_readme_and_ci_call():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = re.findall(r"^ *make ([a-z]+)", README + (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert set(called) == {"demo", "test", "lint"}
    assert set(called) <= set(targets)
