"""Which layers of a run train at which step, and at which rate.

    plan = make_plan(state.model, config, steps_per_epoch)
    plan.apply(state.step)          # layers train or are frozen from here on
    plan.next_step(state.step)      # where others join them

All of it is a function of the step. The optimizer knows all layers from the start, so its state
survives each change, and a run that resumes goes on as one that never stopped.
"""

import bisect
import dataclasses
import fnmatch
from collections.abc import Collection, Iterator

import keras

from headrace.errors import UserError
from trainer.config.run import RunConfig
from trainer.config.transfer import TransferConfig
from trainer.transfer.heavy_dropout import HeavyDropout, make_heavy_dropout
from trainer.transfer.layer_groups import layer_groups


@dataclasses.dataclass(frozen=True)
class Part:
    """Layers that begin to train together.

    Attributes:
        name: name of the group, or the pattern, that names them.
        layers: the layers.
        from_step: step from which they train; None for never.
        learning_rate: rate that they train at, while the run's is that of its config.
    """

    name: str
    layers: list[keras.Layer]
    from_step: int | None
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which layers train when, and what is dropped meanwhile.

    Attributes:
        parts: parts of the network, none of which share a layer; none where all of it trains.
        dropout: dropout that is high at first.
    """

    parts: list[Part]
    dropout: HeavyDropout

    def apply(self, step: int) -> None:
        """Let those layers train that do at a step, freeze the others, and set dropout."""
        self.dropout.apply(step)
        for part in self.parts:
            for layer in part.layers:
                layer.trainable = part.from_step is not None and part.from_step <= step

    def check_fresh(self, paths: Collection[str]) -> None:
        """Make sure that weights which nobody has trained do so from the first step on.

        Args:
            paths: paths of those weights.

        Raises:
            UserError: they are frozen.
        """
        fresh = [
            layer.name
            for part in self.parts
            if part.from_step != 0
            for layer in part.layers
            if _has_any(layer, paths)
        ]
        if fresh:
            raise UserError(
                f"`freeze`: random weights, of {', '.join(fresh[:4])}{', …' * (len(fresh) > 4)}, "
                "would stay as they are; let these layers train from the start: add "
                f"{','.join(f'{name}@0' for name in fresh)} to `unfreeze`"
            )

    @property
    def changes(self) -> list[int]:
        """Steps, after the first one, at which layers begin to train."""
        return sorted({part.from_step for part in self.parts if part.from_step})

    def next_step(self, step: int) -> int | None:
        """Return the first of `changes` after a step; None for none."""
        later = self.changes[bisect.bisect_right(self.changes, step) :]
        return later[0] if later else None

    def rate_factors(self, learning_rate: float) -> dict[str, float]:
        """Return paths of weights, and what part of the run's rate is theirs, if not all of it."""
        return {
            variable.path: part.learning_rate / learning_rate
            for part in self.parts
            for layer in part.layers
            for variable in layer.weights
            if part.learning_rate != learning_rate
        }

    def describe(self) -> Iterator[str]:
        """Yield the plan as lines for the user, a part each; none where all of it trains."""
        if not self.parts:
            return
        rows = [("group", "layers", "weights", "trains from", "learning rate")]
        for part in self.parts:
            trains = part.from_step is not None
            weights = sum(layer.count_params() for layer in part.layers)
            since = f"step {part.from_step:,}" if trains else "never"
            rate = f"{part.learning_rate:g}" if trains else "–"
            rows.append((part.name, f"{len(part.layers):,}", f"{weights:,}", since, rate))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = zip(row, widths, strict=True)
            yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def make_plan(model: keras.Model, config: RunConfig, steps_per_epoch: int) -> Plan:
    """Make the plan of a run.

    Batch normalisation of a group stays frozen, and keeps the statistics of the images that the
    network was trained on; of few images it would have worse ones (Keras, Transfer learning and
    fine-tuning, 2023). A pattern reaches it. Layers that the model itself does not train stay so.

    Args:
        model: network of the run, all of whose layers train that ever do.
        config: configuration of the run.
        steps_per_epoch: number of steps of an epoch.

    Raises:
        UserError: a group is none, and no layer matches it, or all of it trains already, or not
            before the end; or the network has no dropout that could be high.
    """
    transfer = config.transfer
    dropout = make_heavy_dropout(model, transfer.warm_start_epochs * steps_per_epoch)
    rate = config.learning_rate
    made = Plan(_make_parts(model, transfer, rate, steps_per_epoch), dropout)
    late = [part.name for part in made.parts if (part.from_step or 0) >= config.training.steps]
    if late:
        raise UserError(
            f"`unfreeze`: {', '.join(late)} would not train before the run ends, at step "
            f"{config.training.steps:,}; name an earlier epoch (one has {steps_per_epoch:,} steps)"
        )
    return made


def _make_parts(
    model: keras.Model, transfer: TransferConfig, rate: float, steps_per_epoch: int
) -> list[Part]:
    if not transfer.freeze:
        return []
    groups = layer_groups(model)
    left = {id(layer): layer for layers in groups.values() for layer in layers}

    def take(name: str) -> list[keras.Layer]:
        return [left.pop(id(layer)) for layer in _named(groups, name) if id(layer) in left]

    names_head = any(each.group == "head" for each in transfer.unfreezings)
    parts = [] if names_head else [Part("head", take("head"), 0, rate)]
    for group, epoch, own_rate in sorted(transfer.unfreezings, key=lambda each: each.epoch):
        if not (layers := take(group)):
            raise UserError(
                f"`unfreeze`: {group}@{epoch} names no layer that does not train by then already; "
                "leave it out"
            )
        parts.append(Part(group, layers, epoch * steps_per_epoch, own_rate or rate))
    if parts[0].from_step:
        raise UserError(
            f"`unfreeze`: nothing would train before step {parts[0].from_step:,}; leave "
            f"{parts[0].name} out of it, or name epoch 0"
        )
    for name, layers in groups.items():
        frozen = [layer for layer in layers if id(layer) in left]
        rest = name if len(frozen) == len(layers) else f"rest of {name}"
        parts += [Part(rest, frozen, None, rate)] if frozen else []
    return parts


def _has_any(layer: keras.Layer, paths: Collection[str]) -> bool:
    return any(variable.path in paths for variable in layer.weights)


def _named(groups: dict[str, list[keras.Layer]], name: str) -> list[keras.Layer]:
    if name in groups:
        norm = keras.layers.BatchNormalization
        return [layer for layer in groups[name] if not isinstance(layer, norm)]
    layers = [layer for group in groups.values() for layer in group]
    named = [layer for layer in layers if fnmatch.fnmatchcase(layer.name, name)]
    if not named:
        raise UserError(
            f"`unfreeze`: the model has no group {name!r}, and no layer that is called so; its "
            f"groups are {', '.join(groups)}, and its layers "
            f"{', '.join(layer.name for layer in layers[:3])}, …, {layers[-1].name}"
        )
    return named
