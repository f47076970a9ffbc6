"""What the fields of a part of the config promise: what their flags take, what may change."""

import dataclasses
from typing import TypeVar

import pytest
from absl import flags

from headrace import config_flags
from trainer.config import resume
from trainer.config.run import RunConfig

T = TypeVar("T")


def parsed(part: type[T], *arguments: str) -> T:
    """The part of the config that a command line makes."""
    values = flags.FlagValues()
    config_flags.define(part, flag_values=values)
    values(["program", *arguments])
    return config_flags.parse(part, flag_values=values)


def assert_refused(part: type, argument: str, *words: str) -> None:
    """A flag of the part does not take this value, and says what it takes."""
    with pytest.raises(flags.IllegalFlagValueError) as caught:
        parsed(part, argument)
    for word in (argument[2:].partition("=")[0], *words):
        assert word in str(caught.value)


def fixed(part: type) -> set[str]:
    """The fields of the part that must stay the same for a run to go on."""
    names = {config_flags.flag_name(field) for field in dataclasses.fields(part)}
    return names & resume.fingerprint(RunConfig()).keys()
