"""Which weights of a network are of which group, by patterns of their names.

groups = assign("group_rates", ["*/bias", "logits/*"], names)
groups["logits/kernel"]         # 1: the second pattern; "logits/bias" is of the first
"""

import fnmatch
from collections.abc import Sequence

import keras

from headrace.errors import UserError
from models.weights import named
from trainer.config.optimization import OptimizationConfig

_SHOWN = 4


def assign(flag: str, patterns: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """Return the group of each weight that has one: the number of the first pattern that fits.

    Args:
        flag: name of the flag, for the error.
        patterns: patterns of names, as `fnmatch` has them.
        names: names of all weights that train.

    Raises:
        UserError: a pattern fits no weight, or none that those before it leave.
    """
    groups: dict[str, int] = {}
    for number, pattern in enumerate(patterns):
        fitting = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        own = [name for name in fitting if name not in groups]
        if not own:
            raise UserError(f"`{flag}`: {pattern} {_reason(fitting, names)}")
        groups |= dict.fromkeys(own, number)
    return groups


def assign_weights(flag: str, patterns: Sequence[str], model: keras.Model) -> dict[str, int]:
    """Return the same of a network's weights that train, by their paths.

    Paths are of one process: Keras counts layers without a name of their own over all networks in
    it. Patterns are of names that are the same in all.
    """
    trainable = {variable.path for variable in model.trainable_variables}
    names = {
        name: variable.path
        for name, variable in named.by_name(model).items()
        if variable.path in trainable
    }
    groups = assign(flag, patterns, list(names))
    return {names[name]: number for name, number in groups.items()}


def rate_factors(config: OptimizationConfig, model: keras.Model) -> dict[str, float]:
    """Return paths of weights, and what `group_rates` multiplies the learning rate by for each.

    Raises:
        UserError: as for `assign`.
    """
    rates = config.rate_groups
    groups = assign_weights("group_rates", [rate.pattern for rate in rates], model)
    return {path: rates[number].factor for path, number in groups.items()}


def _reason(fitting: Sequence[str], names: Sequence[str]) -> str:
    if fitting:
        return "names only weights that patterns before it take; put it first, or leave it out"
    shown = ", ".join(names[:_SHOWN]) + f", …, {names[-1]}" * (len(names) > _SHOWN)
    return f"names no weight that trains; there are {shown}"
