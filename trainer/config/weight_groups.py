"""Groups of weights, by patterns of their names, that are trained in another way than the rest.

    read_group_rate("*/bias=64")                                # ("*/bias", 64.0)
    read_group_optimizer("dense_*/kernel=muon(learning_rate=0.02;ns_steps=6)")

A name is `conv1/kernel`: the layer, and what the weight is in it. Layers that their network gives
no name are `conv2d#0`, `conv2d#1` and so on. `*` stands for anything, a slash too.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from headrace.config_flags import ValueParser
from headrace.options import OptionsParser


class GroupRate(NamedTuple):
    """Weights that train at a part, or a multiple, of the run's learning rate.

    Attributes:
        pattern: pattern of their names.
        factor: what the rate is multiplied by.
    """

    pattern: str
    factor: float


class GroupOptimizer(NamedTuple):
    """Weights that have an optimizer of their own.

    Attributes:
        pattern: pattern of their names.
        optimizer: name of the optimizer.
        options: options of the optimizer; `learning_rate` and `weight_decay` may be among them.
    """

    pattern: str
    optimizer: str
    options: dict[str, Any]


def read_group_rate(text: str) -> GroupRate:
    """Read `PATTERN=FACTOR`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    pattern, _, number = text.rpartition("=")
    try:
        factor = float(number)
    except ValueError:
        factor = math.nan
    if not pattern or not 0 < factor < math.inf:
        raise ValueError(f"{text!r}: expected PATTERN=FACTOR above 0, as in */bias=64")
    return GroupRate(pattern.strip(), factor)


def read_group_optimizer(text: str) -> GroupOptimizer:
    """Read `PATTERN=OPTIMIZER` or `PATTERN=OPTIMIZER(NAME=VALUE;…)`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    parts = re.fullmatch(r"([^=]+)=\s*(\w+)\s*(?:\((.*)\))?", text)
    if not parts:
        raise ValueError(
            f"{text!r}: expected PATTERN=OPTIMIZER(NAME=VALUE;…), as in "
            "*/kernel=muon(learning_rate=0.02)"
        )
    pattern, optimizer, options = parts.groups()
    return GroupOptimizer(pattern.strip(), optimizer, OptionsParser().parse(options or ""))


class GroupsParser(ValueParser):
    """Reads parts with commas between them, each of which is sound."""

    def __init__(self, hint: str, read: Callable[[str], object]) -> None:
        """Make the parser of a flag.

        Args:
            hint: how the help shows the value.
            read: function of a part, which raises `ValueError` for one that is not sound.
        """
        self.hint, self._read = hint, read

    def parse(self, argument: Any) -> tuple[str, ...]:
        """Return the parts."""
        parts = argument.split(",") if isinstance(argument, str) else argument
        parts = tuple(part.strip() for part in parts)
        if parts == ("",):
            return ()
        for part in parts:
            self._read(part)
        return parts

    def format(self, value: tuple[str, ...]) -> str:
        """Return the parts, separated by commas."""
        return ",".join(value)
