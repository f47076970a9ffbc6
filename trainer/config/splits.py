"""Which parts of a dataset a run trains on, watches while it trains, and evaluates at its end."""

from headrace.errors import UsageError, UserError
from input.dataset import split_spec
from input.dataset.dataset_dir import Card

# What is held out of the training split in turn is called, where splits are named.
ROTATING = "rotating"


def train_records(data_dir: str, card: Card, name: str) -> int:
    """Return how many records there are to train on.

    Raises:
        UsageError: `name` is no name of a part of a dataset.
        UserError: there is no such part.
    """
    if name == "train" and name not in card.splits:
        names = list(card.splits)
        raise UserError(
            f"{data_dir} has no split 'train' to train on; it has {', '.join(map(repr, names))}: "
            f"say which, as in `train_split`={'+'.join(names[:-1] or names)}"
        )
    return split_spec.records(split_spec.parse(data_dir, card, name))


def validation_split(data_dir: str, card: Card, train: str, name: str | None) -> str | None:
    """Return the part to evaluate while training on `train`.

    Args:
        data_dir: the dataset directory.
        card: of the dataset.
        train: what is trained on.
        name: name of the part; None for the validation split, or the test split, or none.

    Raises:
        UsageError: it is no name of a part, or shares records with `train`.
        UserError: there is no such part.
    """
    trained = split_spec.parse(data_dir, card, train)
    if name is None:
        free = _untouched(card, trained)
        return next((split for split in ("validation", "test") if split in free), None)
    common = split_spec.shared(trained, split_spec.parse(data_dir, card, name))
    if common:
        raise UsageError(
            f"`train_split`={train} and `validation_split`={name} share {common:,} records; "
            "name parts that share none"
        )
    return "train[0:]" if name == "train" else name  # in the metrics `train` is what is trained on


def rotating_split(data_dir: str, card: Card) -> str:
    """Return the name of what is held out of the training split in turn.

    Raises:
        UserError: a split of the dataset has it.
    """
    if ROTATING in card.splits:
        raise UserError(
            f"{data_dir} has a split '{ROTATING}', and so `rotating_validation` calls what it "
            "evaluates; prepare the dataset with another name of the split, or leave the flag out"
        )
    return ROTATING


def final_splits(data_dir: str, card: Card, train: str, validation: str | None) -> list[str]:
    """Return what is evaluated at the end: what was watched, and every split not trained on."""
    untouched = _untouched(card, split_spec.parse(data_dir, card, train))
    return list(dict.fromkeys(filter(None, [validation, *untouched])))


def _untouched(card: Card, trained: list[split_spec.Slice]) -> list[str]:
    return [
        name
        for name, split in card.splits.items()
        if not split_spec.shared(trained, [split_spec.Slice(name, 0, split.records)])
    ]
