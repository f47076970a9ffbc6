"""Which losses there are, with their options, and which of them take images of several labels."""

from collections.abc import Mapping

from headrace.errors import check
from headrace.options import check_numbers, check_options

# Of each loss, its own options with their defaults, which are those of Keras.
LOSSES: dict[str, dict[str, object]] = {
    "cross_entropy": {},
    "focal": {"gamma": 2.0, "alpha": 0.25},
    "binary": {},
    "binary_focal": {"gamma": 2.0, "alpha": 0.25},
}
AUTO = "auto"
_BINARY = ("binary", "binary_focal")


def resolve(name: str, multi_label: bool) -> str:
    """Return the name of a loss; of `auto`, that of the one which suits the dataset."""
    if name != AUTO:
        return name
    return "binary" if multi_label else "cross_entropy"


def is_binary(name: str) -> bool:
    """Return whether a loss asks of each class by itself whether it is there: then probabilities
    are sigmoids of logits, or else their softmax."""
    return name in _BINARY


def check_loss(name: str, options: Mapping[str, object]) -> None:
    """Make sure that a loss has such options.

    Raises:
        UsageError: it has not, or they make no sense.
    """
    what = f"`loss`={name}"
    check_options(what, options, LOSSES.get(name, {}))  # auto has none: both it may be have none
    check_numbers(what, options)
    alpha = options.get("alpha", 0.0)
    check(
        name != "binary_focal" or alpha <= 1,  # type: ignore[operator]  # it is a number by now
        f"{what}: alpha={alpha}: expected 1 or less, as 1 - alpha is what an absent class has",
    )


def check_labels(name: str, multi_label: bool) -> None:
    """Make sure that a loss takes images of as many labels as a dataset has.

    Raises:
        UsageError: it takes one label, and there are several.
    """
    check(
        not multi_label or is_binary(resolve(name, multi_label)),
        f"`loss`={name} takes images of one label, and those of the dataset have several; use "
        "`loss`=binary or binary_focal, or leave it out",
    )
