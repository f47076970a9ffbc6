"""`--init_from`: a new run that starts from the weights of another one.

The two have the same model with the same options. What the weights of the last layers stand for is
their run's own: where the classes are others, these layers keep the fresh weights that they have.
How pixels are normalised is no weight, and follows the new run's dataset.
"""

import dataclasses
from collections.abc import Callable

from headrace.errors import UserError
from trainer.checkpoints import paths
from trainer.config import resume
from trainer.config import run as run_config
from trainer.config.run import RunConfig

OPTIMIZERS = ("fresh", "kept")

_OF_MODEL = ("model", "model_options")


def check(config: RunConfig) -> None:
    """Makes sure that a run can start from the one that it names, as far as its config tells.

    Raises:
        UserError: there is no such run, it has no checkpoint, it is of another model, or its
            optimizer cannot be kept.
    """
    source = run_config.read(config.init_from, "--init_from")
    start = f"--init_from={config.init_from}"
    if not _has(config.init_from, _which(config)):
        raise UserError(f"{start} has no {_which(config)} checkpoint yet; train it first")
    changes = resume.differences(resume.fingerprint(source), resume.fingerprint(config))
    others = [line for name, line in changes.items() if name in _OF_MODEL]
    if others:
        raise UserError(f"{start}: {'; '.join(others)}; use the same values")
    if source.channels != config.channels:
        raise UserError(
            f"{start} was trained on images with {source.channels} channels, and these have "
            f"{config.channels}; start from a run on images of the same kind"
        )
    if config.init_optimizer == "fresh":
        return
    others = [line for name, line in changes.items() if resume.changes_optimizer([name])]
    if others:
        raise UserError(
            f"{start}: {'; '.join(others)}; use the same values, or --init_optimizer=fresh"
        )
    if source.classes != config.classes:
        raise UserError(
            f"{start} has other classes: its last layer starts afresh, and an optimizer that has "
            "come far would move that too fast; use --init_optimizer=fresh"
        )


def load(config: RunConfig, model, optimizer, note: Callable[[str], None]) -> int:
    """Gives a model the weights of the run that its config names, outside a strategy's scope.

    Args:
        config: of the new run.
        model: of the new run, built.
        optimizer: of the new run, built.
        note: called with a line for the user.

    Returns:
        The step of the checkpoint that they are from.

    Raises:
        UserError: as for `check`; or a weight has another shape.
    """
    from trainer import run_model  # with TensorFlow, takes seconds
    from trainer.checkpoints import manager, restore
    from trainer.optimization import optimizers

    check(config)
    home, source = config.init_from, run_config.read(config.init_from)
    which, kept = _which(config), config.init_optimizer == "kept"
    if kept:
        other = run_model.build_from_run_dir(source, home)
        others_optimizer = optimizers.of(source, other)
        step = manager.restore_model(home, other, which, optimizer=others_optimizer)
        for variable, value in zip(optimizer.variables, others_optimizer.variables, strict=True):
            variable.assign(value.numpy())
        optimizer.learning_rate = config.learning_rate
    else:
        other, step = restore.load_model(source, home, which, average=bool(source.ema))
    head = set() if source.classes == config.classes else _head(config, model)
    _copy(config, other, model, head)
    fresh = f"; fresh weights for its own classes: {', '.join(sorted(head))}" if head else ""
    note(
        f"starting from the weights of {home}, {which} checkpoint, step {step}{fresh}; "
        f"{config.init_optimizer} optimizer"
    )
    return step


def _copy(config: RunConfig, other, model, head: set[str]) -> None:
    """Copies all weights but those of the head; the models differ in nothing that has a name."""
    pairs = [
        (variable, value)
        for variable, value in zip(model.weights, other.weights, strict=True)
        if variable.path not in head
    ]
    for variable, value in pairs:
        if variable.shape != value.shape:
            raise UserError(
                f"--init_from={config.init_from}: weight {value.path} is {_by(value.shape)} there "
                f"and {_by(variable.shape)} here; use the same --image_size "
                f"({','.join(map(str, run_config.read(config.init_from).image_size))})"
            )
    for variable, value in pairs:
        variable.assign(value.numpy())


def _head(config: RunConfig, model) -> set[str]:
    """Paths of the weights whose shape depends on the number of classes: with one more, it is
    another."""
    from trainer import run_model

    more = dataclasses.replace(config, classes=[*config.classes, ""], normalization="none")
    wider = run_model.build(more)
    return {
        one.path
        for one, other in zip(model.weights, wider.weights, strict=True)
        if one.shape != other.shape
    }


def _which(config: RunConfig) -> str:
    asked = config.init_checkpoint
    return asked if _has(config.init_from, asked) else "latest"


def _has(workdir: str, which: str) -> bool:
    return bool(paths.found(paths.home(workdir, which)))


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
