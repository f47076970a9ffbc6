"""`init_from`: a new run that starts from the weights of another one.

Where the two have the same model with the same options, all weights are taken over. Of another
model they are, wherever the names and shapes of weights are the same. What the weights of the last
layers stand for is their run's own: where the classes are others, these layers keep the new weights
that they have. How pixels are normalised is no weight, and follows the new run's dataset.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from headrace.errors import UserError
from trainer.checkpoints import paths
from trainer.config import resume
from trainer.config import run as run_config
from trainer.config.run import RunConfig

if TYPE_CHECKING:  # with TensorFlow, takes seconds
    import keras
    import numpy as np

    from trainer.checkpoints.train_state import TrainState

# What becomes of the optimizer: that of the new run stays as it is, or takes the other's state.
OPTIMIZERS = RESET, RESTORE = "reset", "restore"

_MODEL_FIELDS = ("model", "model_options")


def check(config: RunConfig) -> None:
    """Make sure that a run can start from the one that it names, as far as its config tells.

    Raises:
        UserError: there is no such run, it has no checkpoint, it is of other channels, or its
            optimizer cannot be restored.
    """
    source = run_config.read(config.checkpoints.init_from, "init_from")
    start = f"`init_from`={config.checkpoints.init_from}"
    if not _candidates(config):
        raise UserError(f"{start} has no latest checkpoint yet; train it first")
    changes = resume.differences(resume.fingerprint(source), resume.fingerprint(config))
    if source.dataset.channels != config.dataset.channels:
        raise UserError(
            f"{start} was trained on images with {source.dataset.channels} channels, and these "
            f"have {config.dataset.channels}; start from a run on images of the same kind"
        )
    if config.checkpoints.init_optimizer == RESET:
        return
    others = [
        line
        for name, line in changes.items()
        if name in _MODEL_FIELDS or resume.affected([name], "optimizer")
    ]
    if others:
        raise UserError(
            f"{start}: {'; '.join(others)}; use the same values, or `init_optimizer`={RESET}"
        )
    if source.dataset.classes != config.dataset.classes:
        raise UserError(
            f"{start} has other classes: its last layer starts afresh, and an optimizer that has "
            f"come far would move that too fast; use `init_optimizer`={RESET}"
        )


def load(
    config: RunConfig, state: "TrainState", note: Callable[[str], None]
) -> tuple[int, set[str]]:
    """Give a state the weights of the run that its config names, outside a strategy's scope.

    Where the best checkpoint of that run is damaged, they are those of its latest one.

    Args:
        config: configuration of the new run.
        state: state of the new run, as it was made.
        note: function that is called with lines for the user.

    Returns:
        The step of the checkpoint that they are from, and the paths of the weights that it has not.

    Raises:
        UserError: as for `check`; or no checkpoint is sound, a weight of the same model has another
            shape, or another model has no weight in common.
    """
    from models.weights import named  # with TensorFlow, takes seconds

    check(config)
    source = run_config.read(config.checkpoints.init_from)
    model, optimizer, which, step = _restore_source(config, source, note)
    if config.checkpoints.init_optimizer == RESTORE:
        for variable, value in zip(state.optimizer.variables, optimizer.variables, strict=True):
            variable.assign(value.numpy())
        state.base_learning_rate = config.learning_rate
    has_same_classes = source.dataset.classes == config.dataset.classes
    head = set() if has_same_classes else head_weights(config, state.model)
    if _is_same_model(source, config):
        _copy(config, model, state.model, head)
        fresh = head
        afresh = f"; fresh weights for its own classes: {', '.join(sorted(head))}" if head else ""
    else:
        fresh, taken = copy_by_name(named.values(model), state.model, head)
        afresh = f"; {taken}"
    note(
        f"starting from the weights of {config.checkpoints.init_from}, {which} checkpoint, "
        f"step {step}{afresh}; {config.checkpoints.init_optimizer} optimizer"
    )
    return step, fresh


def copy_by_name(
    arrays: "Mapping[str, np.ndarray]", target: "keras.Model", head: Collection[str]
) -> tuple[set[str], str]:
    """Give a network weights of the same names and shapes, but for its head.

    Args:
        arrays: weights, by names as `models.weights.named` makes them.
        target: network.
        head: paths of the weights of its head.

    Returns:
        The paths of the weights that stay fresh, and for the user how many were taken.

    Raises:
        UserError: they have none in common.
    """
    from models.weights import named  # with TensorFlow, takes seconds

    variables = named.by_name(target)
    heads = {name for name, variable in variables.items() if variable.path in head}
    body = {name: array for name, array in arrays.items() if name not in heads}
    fresh = named.assign(target, body)
    total, shown = len(target.weights), ", ".join(fresh[:4])
    more = ", …" * (len(fresh) > 4)
    taken = f"{total - len(fresh)} of {total} weights by their names" + (
        f"; fresh ones: {shown}{more}" if fresh else ""
    )
    return {variables[name].path for name in fresh}, taken


def _is_same_model(source: RunConfig, config: RunConfig) -> bool:
    changes = resume.differences(resume.fingerprint(source), resume.fingerprint(config))
    return not changes.keys() & set(_MODEL_FIELDS)


def _restore_source(
    config: RunConfig, source: RunConfig, note: Callable[[str], None]
) -> "tuple[keras.Model, keras.optimizers.Optimizer, str, int]":
    """Restore the first sound one of the checkpoints that a run can start from.

    Returns:
        Model and optimizer of the other run, which of its checkpoints it is, and the step of that.
        The weights are their average where that is taken.
    """
    from trainer import run_model  # with TensorFlow, takes seconds
    from trainer.checkpoints import restore
    from trainer.optimization import optimizers

    home, damaged = config.checkpoints.init_from, dict[str, str]()
    model = run_model.build_from_run_dir(source, home)
    optimizer = optimizers.build(source, model)
    restores_optimizer = config.checkpoints.init_optimizer == RESTORE
    takes_average = source.optimization.keeps_average and not restores_optimizer
    more = {"optimizer": optimizer} if takes_average or restores_optimizer else {}
    for which in _candidates(config):
        try:
            step = restore.restore_model(home, model, which, note=note, **more)
        except restore.NoSoundCheckpointError as error:
            damaged |= error.damaged
            continue
        for folder, reason in damaged.items():
            note(f"checkpoint {folder} is damaged ({reason}): taking the {which} one")
        if takes_average:
            optimizer.finalize_variable_values(model.trainable_variables)
        return model, optimizer, which, step
    reasons = "; ".join(f"{folder}: {reason}" for folder, reason in damaged.items())
    raise UserError(
        f"`init_from`={home} has no sound checkpoint ({reasons}); put a copy back, or start from "
        "another run"
    )


def _copy(config: RunConfig, source: "keras.Model", target: "keras.Model", head: set[str]) -> None:
    """Copy all weights but those of the head; the models differ in nothing that has a name."""
    pairs = [
        (variable, value)
        for variable, value in zip(target.weights, source.weights, strict=True)
        if variable.path not in head
    ]
    home = config.checkpoints.init_from
    for variable, value in pairs:
        if variable.shape != value.shape:
            raise UserError(
                f"`init_from`={home}: weight {value.path} is {_by(value.shape)} there and "
                f"{_by(variable.shape)} here; use the same `image_size` "
                f"({','.join(map(str, run_config.read(home).data.image_size))})"
            )
    for variable, value in pairs:
        variable.assign(value.numpy())


def head_weights(config: RunConfig, model: "keras.Model") -> set[str]:
    """Return paths of the weights whose shape depends on the number of classes: with one more, it
    is another."""
    from trainer import run_model

    more = dataclasses.replace(
        config,
        dataset=dataclasses.replace(config.dataset, classes=[*config.dataset.classes, ""]),
        model=dataclasses.replace(config.model, normalization="none"),
    )
    wider = run_model.build(more)
    return {
        one.path
        for one, other in zip(model.weights, wider.weights, strict=True)
        if one.shape != other.shape
    }


def _candidates(config: RunConfig) -> list[str]:
    """Return which checkpoints a run can start from, of those that are there, in this order."""
    order = ("best", "latest") if config.checkpoints.init_checkpoint == "best" else ("latest",)
    return [
        which
        for which in order
        if paths.newest_first(paths.home(config.checkpoints.init_from, which))
    ]


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
