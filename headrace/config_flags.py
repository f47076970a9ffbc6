"""Command-line flags and JSON from dataclasses: a knob is one field, which carries all about it.

    @dataclasses.dataclass(frozen=True)
    class OptimizationConfig:
        optimizer: str = option("momentum", "The optimizer.", choices=("sgd", "momentum"))
        learning_rate: float = option(0.01, "Peak learning rate.", minimum=0.0)

    config_flags.define(OptimizationConfig)             # in a program: --optimizer, --learning_rate
    config = config_flags.parse(OptimizationConfig)     # in its `main`
    config_flags.from_json(OptimizationConfig, {"optimizer": "sgd"})    # the rate is the default

A flag is called as its field, unless the field says otherwise, and has its type: `bool`, `int`,
`float`, `str` (with `choices` or without), `tuple[str, ...]` for a list with commas, or any type
that a `parser` makes of text. `T | None` is a `T` that may be left out.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from headrace import files
from headrace.errors import UsageError

T = TypeVar("T")

# The flags that `define` makes are those of the program that calls it.
flags.disclaim_key_flags()


class ValueParser(flags.ArgumentParser):
    """Makes a value of the text of a flag, and text of the value again.

    Attributes:
        hint: how the help shows the value, such as `ROWS,COLUMNS`.
    """

    hint = "TEXT"

    def parse(self, argument: Any) -> Any:
        """Return the value of a text; raise `ValueError` where there is none."""
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Return a text of which `parse` makes this value."""
        return str(value)

    def flag_type(self) -> str:
        """Return the hint, as absl asks for it."""
        return self.hint


class PathParser(ValueParser):
    """Reads a path, local or `gs://`; a leading `~` is the home folder, as a shell has it where it
    sees one: in `--workdir=~/run` it does not."""

    hint = "PATH"

    def parse(self, argument: Any) -> str:
        """Return the path."""
        return files.expand(argument)


def define_path(name: str, default: str | None, help: str, *, required: bool = False) -> None:
    """Define a flag that is a path, as flag of the calling program; see `PathParser`."""
    parser = PathParser()
    flags.DEFINE(parser, name, default, help, serializer=_Serializer(parser), required=required)


class _Serializer(flags.ArgumentSerializer):
    def __init__(self, parser: ValueParser) -> None:
        self._parser = parser

    def serialize(self, value: Any) -> str:
        return self._parser.format(value)


def option(
    default: Any,
    help: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    parser: ValueParser | None = None,
    flag: str | None = "",
    **traits: object,
) -> Any:
    """Describe a field of a config.

    Args:
        default: default value; every field has one, so that files written before it was there
            can be read.
        help: help text of the flag.
        minimum: least value of a number.
        maximum: greatest value of a number.
        choices: values that a string may have.
        parser: maker of the value from text, for a type of its own.
        flag: name of the flag, where it is not that of the field; None for a field without one.
        **traits: what else is to be known of the field, see `traits_of`.
    """
    metadata = {
        "help": help,
        "bounds": (minimum, maximum),
        "choices": choices,
        "parser": parser,
        "flag": flag,
        "traits": traits,
    }
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def flag_name(field: dataclasses.Field) -> str:
    """Return the name that a field goes by outside the config, unique among all parts of it."""
    return field.metadata["flag"] or field.name


def traits_of(field: dataclasses.Field) -> Mapping[str, Any]:
    """Return what else `option` was told of a field."""
    return field.metadata["traits"]


def default_of(field: dataclasses.Field) -> Any:
    """Return the default value of a field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def define(
    *configs: type,
    optional: bool = False,
    only: Container[str] = (),
    flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
    """Define a flag for each field of dataclasses, as flags of the calling program.

    Args:
        *configs: dataclasses whose fields were made by `option`.
        optional: leave each flag at None unless it is given, for `parse` with a base.
        only: names of the flags to define, for a program that has no use for the others; all of
            them where it is empty. `parse` is for all: this program reads its flags one by one.
        flag_values: registry to define them in.
    """
    for config in configs:
        for field in _flag_fields(config):
            if only and flag_name(field) not in only:
                continue
            if flag_name(field) in flag_values:  # two programs in one process
                flags.declare_key_flag(flag_name(field), flag_values)
            else:
                _define_field(config, field, optional, flag_values)


def parse(config: type[T], base: T | None = None, flag_values: flags.FlagValues = flags.FLAGS) -> T:
    """Make a config of the values of its flags.

    Args:
        config: dataclass whose flags were defined by `define`.
        base: config whose values stand where a flag was not given.
        flag_values: registry in which they were defined.
    """
    values = {field.name: flag_values[flag_name(field)].value for field in _flag_fields(config)}
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    if base is None:
        return config(**values)
    given = {name: value for name, value in values.items() if value is not None}
    return dataclasses.replace(base, **given)  # type: ignore[type-var]  # it is a dataclass


def check(config: Any) -> None:
    """Make sure that a config made in Python holds what its flags would take.

    Raises:
        UsageError: a field has a value out of its bounds or choices; it is named.
    """
    for field in dataclasses.fields(config):
        value, (minimum, maximum) = getattr(config, field.name), field.metadata["bounds"]
        expected = ""
        if field.metadata["choices"] and value not in field.metadata["choices"]:
            expected = f"one of {', '.join(field.metadata['choices'])}"
        elif isinstance(value, int | float) and minimum is not None:
            highest = math.inf if maximum is None else maximum
            if not (minimum <= value <= highest and math.isfinite(value)):
                expected = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        if expected:
            raise UsageError(f"`{flag_name(field)}`={value}: expected {expected}")


class UnknownFieldsError(ValueError):
    """A JSON object has fields that the config does not know."""


def from_json(config: type[T], values: Mapping[str, Any]) -> T:
    """Make a config, and the configs in it, of a JSON object; what is missing has its default.

    Raises:
        UnknownFieldsError: there are other fields.
        TypeError: a part is no JSON object.
    """
    kinds = typing.get_type_hints(config)
    if unknown := sorted(dict(values).keys() - kinds.keys()):
        raise UnknownFieldsError(", ".join(unknown))
    return config(**{name: _from_json(kinds[name], value) for name, value in values.items()})


def _from_json(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_json(typing.cast(type, kind), value)
    return tuple(value) if typing.get_origin(kind) is tuple else value


def _flag_fields(config: type) -> Iterator[dataclasses.Field]:
    for field in dataclasses.fields(config):
        if field.metadata["flag"] is not None:
            yield field


def _define_field(
    config: type, field: dataclasses.Field, optional: bool, flag_values: flags.FlagValues
) -> None:
    name, facts = flag_name(field), field.metadata
    default = None if optional else default_of(field)
    kind = _plain_type(typing.get_type_hints(config)[field.name])
    minimum, maximum = facts["bounds"]
    text = (name, default, facts["help"])
    if parser := facts["parser"]:
        flags.DEFINE(parser, *text, flag_values=flag_values, serializer=_Serializer(parser))
    elif facts["choices"]:
        flags.DEFINE_enum(name, default, facts["choices"], facts["help"], flag_values=flag_values)
    elif kind in (int, float):
        define_number = flags.DEFINE_integer if kind is int else flags.DEFINE_float
        define_number(*text, minimum, maximum, flag_values=flag_values)
    else:
        _DEFINE[kind](*text, flag_values=flag_values)


_DEFINE: dict[Any, Callable] = {
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
    tuple[str, ...]: lambda name, default, text, **more: flags.DEFINE_list(
        name, default and list(default), text, **more
    ),
}


def _plain_type(kind: Any) -> Any:
    """Return `T` of `T | None`."""
    if isinstance(kind, types.UnionType):
        (kind,) = (part for part in typing.get_args(kind) if part is not type(None))
    return kind
