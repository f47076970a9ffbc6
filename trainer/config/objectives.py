"""`stop_when`: the numbers that an evaluation must have for a run to end there.

    objectives = parse("rank1>=0.93,loss<0.3", MONITORS)
    are_met(objectives, {"rank1": 0.94, "rank5": 1.0, "loss": 0.2})     # True: all of them hold

No TensorFlow is imported here.
"""

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

from headrace.config_flags import ValueParser

# The longer ones first: `>=` is no `>` of a number that begins with `=`.
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_OBJECTIVE = re.compile(rf"(\w+)\s*({'|'.join(_OPERATORS)})\s*([^\s<>=]\S*)")

# All other numbers of an evaluation are fractions of 1.
_UNBOUNDED = ("loss",)


@dataclasses.dataclass(frozen=True)
class Objective:
    """A number of an evaluation, and what it is to be.

    Attributes:
        name: name of the number.
        comparison: `>=`, `<=`, `>` or `<`.
        bound: what it is compared with.
    """

    name: str
    comparison: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.bound!r}"

    def is_met(self, result: Mapping[str, float]) -> bool:
        """Return whether an evaluation has such a number."""
        return _OPERATORS[self.comparison](result.get(self.name, math.nan), self.bound)


class ObjectivesParser(ValueParser):
    """Reads `rank1>=0.93,loss<0.3`, and leaves it a text."""

    hint = "NAME>=NUMBER,…"

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names of the numbers that an evaluation has."""
        self._names = names

    def parse(self, argument: str) -> str:
        """Return the text, if it says what to reach; raise `ValueError` otherwise."""
        parse(argument, self._names)
        return argument


def parse(text: str, names: Sequence[str]) -> list[Objective]:
    """Read objectives, separated by commas; an empty text has none.

    Args:
        text: text of the flag.
        names: names of the numbers that an evaluation has.

    Raises:
        ValueError: one is none, or nothing could ever meet it.
    """
    return [_parse_one(part.strip(), names) for part in text.split(",")] if text.strip() else []


def are_met(objectives: Sequence[Objective], result: Mapping[str, float]) -> bool:
    """Return whether there are objectives, and an evaluation meets all of them."""
    return bool(objectives) and all(objective.is_met(result) for objective in objectives)


def _parse_one(text: str, names: Sequence[str]) -> Objective:
    match = _OBJECTIVE.fullmatch(text)
    if not match:
        raise ValueError(
            f"expected a number of an evaluation, {', '.join(_OPERATORS)}, and its bound, as in "
            f"rank1>=0.93; received {text!r}"
        )
    name, comparison, number = match.groups()
    if name not in names:
        raise ValueError(f"an evaluation has no {name!r}; it has {', '.join(names)}")
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise ValueError(f"{text}: {number} is no number")
    if name not in _UNBOUNDED and not 0 <= bound <= 1:
        raise ValueError(f"{text}: {name} is a fraction of 1, as in {name}>=0.93")
    return Objective(name, comparison, bound)
