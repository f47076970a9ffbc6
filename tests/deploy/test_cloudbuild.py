"""The image and its build, as far as they can be checked without a container engine."""

import shlex
from distutils.core import run_setup

import pytest
import yaml

from tests.conftest import ROOT


def instructions(text: str) -> list[list[str]]:
    """The words of every Dockerfile instruction, continuation lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def dockerfile() -> list[list[str]]:
    return instructions((ROOT / "deploy/Dockerfile").read_text())


@pytest.fixture(scope="module")
def build() -> dict:
    return yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())


def stages(dockerfile) -> dict[str, str]:
    """Name of each stage → what it is built from."""
    return {words[3]: words[1] for words in dockerfile if words[0] == "FROM"}


def test_everything_copied_into_the_image_is_in_the_repository(dockerfile):
    copied = [source for words in dockerfile if words[0] == "COPY" for source in words[1:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_image_holds_every_package_of_setup_py(dockerfile):
    setup = run_setup(str(ROOT / "setup.py"), stop_after="init")
    copied = {source for words in dockerfile if words[0] == "COPY" for source in words[1:-1]}
    assert {name.partition(".")[0] for name in setup.packages} <= copied


def test_the_image_installs_the_lock_before_the_code(dockerfile):
    flat = [" ".join(words) for words in dockerfile]
    lock = flat.index("RUN pip install --requirement requirements.lock")
    assert lock < flat.index("RUN pip install --no-deps .")


def test_stages_are_built_from_stages_that_exist(dockerfile):
    names = stages(dockerfile)
    assert {"test", "release"} <= set(names)
    assert names["test"] == names["release"] == "base"


def test_the_test_stage_runs_the_tests(dockerfile):
    starts = [i for i, words in enumerate(dockerfile) if words[0] == "FROM"]
    for start, end in zip(starts, [*starts[1:], len(dockerfile)], strict=True):
        if dockerfile[start][3] == "test":
            assert ["RUN", "python", "-m", "pytest"] in dockerfile[start:end]


def test_the_build_tests_then_builds_then_pushes(build, dockerfile):
    assert [step["id"] for step in build["steps"]] == ["test", "build", "push"]
    assert [step["args"][0] for step in build["steps"]] == ["build", "build", "push"]
    for step, target in zip(build["steps"], ("test", "release"), strict=False):
        assert "--file=deploy/Dockerfile" in step["args"]
        assert f"--target={target}" in step["args"]
        assert target in stages(dockerfile)


def test_what_is_pushed_is_what_was_built(build):
    (image,) = build["images"]
    assert f"--tag={image}" in build["steps"][1]["args"]
    assert build["steps"][2]["args"] == ["push", image]


def test_every_substitution_has_a_value(build):
    used = {
        part.split("}")[0]
        for step in build["steps"]
        for argument in step["args"]
        for part in argument.split("${")[1:]
    }
    assert used == set(build["substitutions"])
