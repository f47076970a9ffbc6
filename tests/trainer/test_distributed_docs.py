"""docs/distributed.md: its commands have no flag that does not exist."""

import re
import shlex

import pytest

from tests.conftest import ROOT, run_program

PAGE = (ROOT / "docs/distributed.md").read_text()


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [
        shlex.split(line) for block in blocks for line in block.replace("\\\n", "").splitlines()
    ]


def program_and_flags(command: list[str]) -> list[tuple[str, list[str]]]:
    """The modules of Headrace that a command starts, each with the names of its flags."""
    words = command
    if command[0] == "gcloud":
        (words,) = (w.removeprefix("--args=").split(",") for w in command if w[:7] == "--args=")
        words = ["-m", *words]
    if "-m" not in words:
        return []
    program, *given = words[words.index("-m") + 1 :]
    own = given[: given.index("--")] if "--" in given else given
    rest = [("trainer.task", flag_names(given[len(own) + 1 :]))] if "--" in given else []
    return [(program, flag_names(own)), *rest]


def flag_names(words: list[str]) -> list[str]:
    return [word.removeprefix("--").partition("=")[0] for word in words]


def test_there_is_a_command_for_each_place():
    first = dict.fromkeys(command[0] for command in commands())
    assert list(first) == ["python", "gcloud", "kubectl", "srun", "export"]


@pytest.mark.parametrize("program", ["trainer.task", "trainer.launch"])
def test_every_flag_of_a_command_exists(program):
    defined = set(re.findall(r"^  --(\w+)", run_program(program, "--help").stdout, re.MULTILINE))
    used = {
        name
        for command in commands()
        for module, names in program_and_flags(command)
        if module == program
        for name in names
    }
    assert used
    assert used <= defined
