"""What a run takes over of a network that others have trained, and which layers it trains when."""

import dataclasses
from typing import Any, NamedTuple

from headrace.config_flags import PathParser, ValueParser, option
from headrace.errors import check


class Unfreezing(NamedTuple):
    """Layers that begin to train in the middle of a run.

    Attributes:
        group: name of a group of layers, or a pattern of names of layers.
        epoch: number of epochs after which they do.
        learning_rate: their learning rate; None for that of the run.
    """

    group: str
    epoch: int
    learning_rate: float | None


def read_unfreezing(text: str) -> Unfreezing:
    """Read `GROUP@EPOCH` or `GROUP@EPOCH=RATE`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    group, at, rest = text.partition("@")
    epoch, equals, rate = rest.partition("=")
    try:
        unfreezing = Unfreezing(group, int(epoch), float(rate) if equals else None)
    except ValueError:
        unfreezing = None
    if not (group and at and unfreezing) or unfreezing.epoch < 0 or not _is_rate(unfreezing):
        raise ValueError(f"{text!r}: expected GROUP@EPOCH=RATE, as in stage4@3=0.001")
    return unfreezing


def _is_rate(unfreezing: Unfreezing) -> bool:
    rate = unfreezing.learning_rate
    return rate is None or 0 < rate < float("inf")


class UnfreezingParser(ValueParser):
    """Reads `stage4@3=0.001,stage3@6` as its parts, each of which is sound."""

    hint = "GROUP@EPOCH=RATE,…"

    def parse(self, argument: Any) -> tuple[str, ...]:
        """Return the parts; raise `ValueError` for one that `read_unfreezing` cannot read."""
        parts = argument.split(",") if isinstance(argument, str) else argument
        parts = tuple(part.strip() for part in parts)
        if parts == ("",):
            return ()
        for part in parts:
            read_unfreezing(part)
        return parts

    def format(self, value: tuple[str, ...]) -> str:
        """Return the parts, separated by commas."""
        return ",".join(value)


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """Weights to begin with, and the layers that train."""

    pretrained: str = option(
        "none",
        "Weights that a new run begins with, wherever the names and shapes of layers are the same: "
        "imagenet for the published ones of the model, which Keras downloads into its cache, or "
        "the path of a file of weights (.weights.h5, .h5, .keras) or of a run directory. The last "
        "layer starts afresh, but for a run with the same classes.",
        parser=PathParser(),
        on_resume="same",
    )
    freeze: bool = option(
        False,
        "Train the last layer alone, and what `unfreeze` names. Layers that do not train keep "
        "their weights, and batch normalisation its statistics.",
        on_resume="same",
    )
    unfreeze: tuple[str, ...] = option(
        (),
        "Layers that train from the end of an epoch on, at a learning rate of their own: "
        "stage4@3=0.001,stage3@6=0.0001. A group is one of those that are printed at the start "
        "(head, dense, stage4, …, stage1, stem), without its batch normalisation, or all layers "
        "whose names match a pattern, such as block5_*.",
        parser=UnfreezingParser(),
        on_resume="same",
    )
    warm_start_epochs: int = option(
        0,
        "For so many epochs, at first, drop three quarters wherever the model has dropout, then "
        "train from the weights that gives, with a fresh optimizer.",
        minimum=0,
        on_resume="same",
    )

    @property
    def unfreezings(self) -> list[Unfreezing]:
        """What `unfreeze` says."""
        return [read_unfreezing(text) for text in self.unfreeze]


def check_transfer(
    transfer: TransferConfig, init_from: str, learning_rate: float, epochs: int | None
) -> None:
    """Make sure that flags go together.

    Args:
        transfer: what they say.
        init_from: run that weights are taken from; empty for none.
        learning_rate: learning rate of the run.
        epochs: number of epochs to train; None where it is not known in epochs.

    Raises:
        UsageError: they do not.
    """
    is_pretrained = transfer.pretrained != "none"
    check(
        not (is_pretrained and init_from),
        "`pretrained` and `init_from` both say which weights to begin with; give one of them",
    )
    check(
        is_pretrained or init_from or not transfer.freeze,
        "`freeze` keeps weights as they are, and these would be random; say which to begin with, "
        "with `pretrained` or `init_from`",
    )
    check(
        transfer.freeze or not transfer.unfreeze,
        "`unfreeze` says when frozen layers train; give `freeze` with it",
    )
    check(
        not (transfer.freeze and transfer.warm_start_epochs),
        "`warm_start_epochs` are for all weights; leave out `freeze`, or them",
    )
    check(
        learning_rate or not transfer.unfreeze,
        "`unfreeze`: nothing trains at `learning_rate`=0; give one above 0",
    )
    if epochs is None:
        return
    for unfreezing in transfer.unfreezings:
        check(
            unfreezing.epoch < epochs,
            f"`unfreeze`={unfreezing.group}@{unfreezing.epoch} is not before the end, "
            f"`epochs`={epochs}; name an earlier epoch",
        )
    check(
        transfer.warm_start_epochs < epochs,
        f"`warm_start_epochs`={transfer.warm_start_epochs} leaves nothing of `epochs`={epochs}; "
        "train longer",
    )
