"""Options that belong to one choice of a flag, as `schedule_options` do to a schedule."""

import math
from collections.abc import Mapping

from headrace.errors import UsageError


def check_options(what: str, given: Mapping[str, object], defaults: Mapping[str, object]) -> None:
    """Make sure that options are known and of the kind of their defaults.

    Numbers are finite and not negative; words are checked elsewhere.

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
        if not _is_same_kind(value, defaults[name]):
            raise UsageError(f"{what}: {name} is of the kind of {defaults[name]!r}, not {value!r}")


def _is_same_kind(value: object, default: object) -> bool:
    if isinstance(default, str):
        return True
    if isinstance(default, tuple):
        return isinstance(value, (tuple, list)) and all(_is_same_kind(each, 0.0) for each in value)
    if isinstance(default, bool) or isinstance(value, bool):
        return type(value) is type(default)
    is_number = isinstance(value, int if isinstance(default, int) else (int, float))
    return is_number and math.isfinite(float(str(value))) and float(str(value)) >= 0
