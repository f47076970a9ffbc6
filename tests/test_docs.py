"""docs/prepare.md: every flag that there is, and no other."""

import re
import shlex

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines import sources
from tests.conftest import ROOT, run_program

PAGE = (ROOT / "docs/prepare.md").read_text()
PROGRAMS = ("beam_pipelines.prepare", "beam_pipelines.to_hdf5")


@pytest.fixture(scope="module")
def defined() -> dict[str, str]:
    """What `--help` shows for each flag's value, by the flag's name, of both programs."""
    helps = [run_program(program, "--help").stdout for program in PROGRAMS]
    flags = dict(re.findall(r"^  --(\w+)=?(.*)$", "\n".join(helps), re.MULTILINE))
    assert {"source", "overwrite", "compression"} <= set(flags)
    return flags


def named() -> list[tuple[str, str]]:
    """Every flag on the page, with what follows its `=`."""
    return re.findall(r"--([a-z]\w*)(?:=([\w.]+))?", PAGE)


def test_every_flag_is_described_in_a_line_of_its_own_or_a_table(defined):
    described = set(re.findall(r"^(?:- |  \| )?\|? ?`--(\w+)", PAGE, re.MULTILINE))
    assert set(defined) - {"flagfile"} <= described


def test_no_flag_is_named_that_does_not_exist(defined):
    of_beam = set(PipelineOptions([]).get_all_options())
    assert {name for name, _ in named()} <= set(defined) | of_beam | {"help"}


def test_every_choice_is_named_and_no_other(defined):
    choices = {name: set(hint.split("|")) for name, hint in defined.items() if "|" in hint}
    assert set(choices) == {"duplicates", "near_duplicates_action", "encoding", "compression"}
    for name, values in choices.items():
        assert {value for flag, value in named() if flag == name and value} <= values
        for value in values:
            assert re.search(rf"`{value}`|=.?{value}\b", PAGE), (name, value)


def test_every_kind_of_source_is_in_the_table():
    kinds = re.findall(r"^\| `(\w+)` \|.*`--source=\1:", PAGE, re.MULTILINE)
    assert kinds == list(sources.KINDS)


def test_the_commands_name_programs_that_there_are():
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [shlex.split(line) for block in commands for line in block.splitlines()]
    assert {tuple(line[:2]) for line in lines} == {("python", "-m")}
    assert {line[2] for line in lines} == set(PROGRAMS)
