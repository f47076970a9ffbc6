"""Options of one choice of a flag, such as a model's or a schedule's: read, and held against those
that there are."""

import ast
import math
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.config_flags import ValueParser
from headrace.errors import UsageError, check


class OptionsParser(ValueParser):
    """Reads `stages=(9,9,9);activation=relu` as a dictionary."""

    hint = "NAME=VALUE;…"

    def parse(self, argument: Any) -> dict[str, object]:
        """Return values by name; one that is no Python literal is taken as a string."""
        if isinstance(argument, dict):
            return argument
        options: dict[str, object] = {}
        for part in filter(None, (part.strip() for part in argument.split(";"))):
            name, equals, text = part.partition("=")
            if not equals:
                raise ValueError(f"expected name=value, received {part!r}")
            options[name.strip()] = value = _literal(text.strip())
            numbers = [number for number in _numbers(value) if isinstance(number, float)]
            if not all(map(math.isfinite, numbers)):
                raise ValueError(f"{part}: expected a finite number")
        return options

    def format(self, value: dict[str, object]) -> str:
        """Return `name=value` of each option, separated by semicolons."""
        return ";".join(f"{name}={part!r}" for name, part in value.items())


def check_options(what: str, given: Mapping[str, object], defaults: Mapping[str, object]) -> None:
    """Make sure that options are known and of the kind of their defaults.

    Args:
        what: whose options they are, for the error: "`schedule`=step".
        given: options, by name.
        defaults: all that there are, with their defaults.

    Raises:
        UsageError: they are not.
    """
    for name, value in given.items():
        if name not in defaults:
            there = ", ".join(defaults) or "none"
            raise UsageError(f"{what} has no option {name!r}; it has {there}")
        if not _is_same_kind(value, default := defaults[name]):
            raise UsageError(f"{what}: {name} is of the kind of {default!r}, received {value!r}")


def check_numbers(what: str, given: Mapping[str, object]) -> None:
    """Make sure that no number among options is negative, infinite or none.

    Raises:
        UsageError: one is.
    """
    for name, value in given.items():
        is_fit = all(0 <= number < math.inf for number in _numbers(value))
        check(is_fit, f"{what}: {name}={value}: expected 0 or more")


def _is_same_kind(value: object, default: object) -> bool:
    """Return whether a value can stand in for a default: 1 for 0.5, [1, 2] for (1,)."""
    if isinstance(default, tuple):
        each = default[0] if default else 0.0
        return isinstance(value, (tuple, list)) and all(_is_same_kind(v, each) for v in value)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return float(text) if text.lower() in ("nan", "inf", "-inf") else text


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, (int, float)):
        yield value
