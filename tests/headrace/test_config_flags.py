"""Flags and JSON of dataclasses: each field says all about itself, once."""

import dataclasses

import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from headrace import config_flags
from headrace.config_flags import UnknownFieldsError, ValueParser, option


class Pair(ValueParser):
    """Reads `3x4`."""

    hint = "AxB"

    def parse(self, argument):
        if not argument or not isinstance(argument, str):
            return tuple(argument)
        try:
            first, second = map(int, argument.split("x"))
        except ValueError:
            raise ValueError("expected AxB, as in 3x4") from None
        return first, second

    def format(self, value):
        return "x".join(map(str, value))


@dataclasses.dataclass(frozen=True)
class Config:
    name: str = option("net", "What it is called.", flag="model", weight=3)
    kind: str = option("a", "Which one.", choices=("a", "b"))
    rate: float = option(0.5, "How fast.", minimum=0.0, maximum=2.0)
    count: int | None = option(None, "How many.", minimum=1)
    fast: bool = option(False, "Whether.")
    devices: tuple[str, ...] = option((), "Where.")
    size: tuple[int, ...] = option((), "How large.", parser=Pair())
    options: dict[str, object] = option({}, flag=None)
    inner: int = option(7, flag=None)


@dataclasses.dataclass(frozen=True)
class Whole:
    part: Config = dataclasses.field(default_factory=Config)
    sizes: list[int] = option([1, 2], flag=None)


def parsed(*arguments: str, base: Config | None = None) -> Config:
    values = flags.FlagValues()
    config_flags.define(Config, optional=base is not None, flag_values=values)
    values(["program", *arguments])
    return config_flags.parse(Config, base=base, flag_values=values)


def test_a_program_may_have_some_of_the_flags():
    values = flags.FlagValues()
    config_flags.define(Config, only=("model", "rate"), flag_values=values)
    assert set(values) == {"model", "rate"}


def test_flags_that_are_not_given_are_the_defaults():
    assert parsed() == Config()


def test_each_type_is_read_from_text():
    assert parsed(
        "--model=x", "--kind=b", "--rate=1.5", "--count=3", "--fast", "--devices=a,b", "--size=3x4"
    ) == Config("x", "b", 1.5, 3, True, ("a", "b"), (3, 4))


@pytest.mark.parametrize(
    "argument",
    ["--kind=c", "--rate=-1", "--rate=2.1", "--rate=x", "--count=0", "--size=3", "--inner=8"],
)
def test_what_a_field_does_not_allow_is_refused(argument):
    with pytest.raises((flags.Error, ValueError)) as caught:
        parsed(argument)
    assert argument[2:].partition("=")[0] in str(caught.value)


def test_only_what_is_given_is_laid_over_a_base():
    base = Config("x", "b", 1.5, 3, True, ("a",), (1, 2))
    assert parsed(base=base) == base
    assert parsed("--nofast", "--rate=0", base=base) == dataclasses.replace(
        base, fast=False, rate=0.0
    )


@given(
    st.builds(
        Config,
        name=st.text("ab c=;-", min_size=1),
        kind=st.sampled_from("ab"),
        rate=st.floats(0, 2),
        count=st.none() | st.integers(1),
        fast=st.booleans(),
        devices=st.lists(st.text("abc:0", min_size=1)).map(tuple),
        size=st.just(()) | st.tuples(st.integers(0), st.integers(0)),
    )
)
def test_a_flagfile_of_a_config_gives_it_again(config):
    values = flags.FlagValues()
    config_flags.define(Config, flag_values=values)
    values(["program"])
    for field in dataclasses.fields(Config):
        if field.metadata["flag"] is not None:
            value = getattr(config, field.name)
            is_list = isinstance(value, tuple) and field.name == "devices"
            values[config_flags.flag_name(field)].value = list(value) if is_list else value
    again = flags.FlagValues()
    config_flags.define(Config, flag_values=again)
    again(
        [
            "program",
            *(values[name].serialize() for name in values if values[name].value is not None),
        ]
    )
    assert config_flags.parse(Config, flag_values=again) == config


def test_two_programs_of_one_process_share_a_flag():
    values = flags.FlagValues()
    config_flags.define(Config, flag_values=values)
    config_flags.define(Config, flag_values=values)
    assert len(list(values)) == 7


def test_what_a_file_lacks_has_its_default():
    assert config_flags.from_json(Whole, {}) == Whole()
    read = config_flags.from_json(Whole, {"part": {"size": [3, 4], "devices": ["a"]}})
    assert read == Whole(Config(size=(3, 4), devices=("a",)))


@pytest.mark.parametrize("values", [{"warp": 1}, {"part": {"warp": 1, "kind": "b"}}])
def test_a_field_that_is_not_known_is_named(values):
    with pytest.raises(UnknownFieldsError, match=r"^warp$"):
        config_flags.from_json(Whole, values)


def test_defaults_are_no_ones_common_property():
    Whole().sizes.append(3)
    assert Whole().sizes == [1, 2]
    fields = {field.name: field for field in dataclasses.fields(Config)}
    config_flags.default_of(fields["options"])["x"] = 1
    assert Config().options == {}


def test_a_field_carries_what_else_is_to_be_known_of_it():
    first, second, *_ = dataclasses.fields(Config)
    assert config_flags.traits_of(first) == {"weight": 3}
    assert [config_flags.flag_name(field) for field in (first, second)] == ["model", "kind"]
