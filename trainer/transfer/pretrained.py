"""`pretrained`: a new run that starts from published weights, or from those in a file."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from headrace import files
from headrace.errors import UserError
from models import registry
from trainer.checkpoints import warm_start
from trainer.config import run as run_config
from trainer.config.run import RunConfig

if TYPE_CHECKING:  # with TensorFlow, takes seconds
    from trainer.checkpoints.train_state import TrainState

IMAGENET = "imagenet"


def check(config: RunConfig) -> None:
    """Make sure that a run can start from the weights that it names, as far as its config tells.

    Raises:
        UserError: there is no such file or run, or the model has no published weights.
    """
    source = config.transfer.pretrained
    if source == IMAGENET:
        registry.check_imagenet_weights(config.model.name, config.dataset.channels)
    elif run_config.exists(source):
        with _named_as_given():
            warm_start.check(_as_init_from(config))
    elif not files.exists(source):
        raise UserError(
            f"`pretrained`={source}: there is no such file or run directory; check the path"
        )
    elif not source.endswith((".h5", ".keras")):
        raise UserError(
            f"`pretrained`={source} is no run directory, and no .weights.h5, .h5 or .keras file; "
            "name one of these"
        )


def load(config: RunConfig, state: "TrainState", note: Callable[[str], None]) -> set[str]:
    """Give a state the weights that its config names, outside a strategy's scope.

    The last layer stays as it was made, unless they are of a run with the same classes.

    Args:
        config: configuration of the new run.
        state: state of the new run, as it was made.
        note: function that is called with lines for the user.

    Returns:
        The paths of the weights that stay fresh.

    Raises:
        UserError: as for `check`; or they cannot be downloaded or read, or none has a name and
            shape of the model's.
    """
    check(config)
    source = config.transfer.pretrained
    if run_config.exists(source):
        with _named_as_given():
            return warm_start.load(_as_init_from(config), state, note)[1]
    head = warm_start.head_weights(config, state.model)
    if source == IMAGENET:
        arrays = registry.imagenet_weights(config.model.name, config.input_shape, note)
    else:
        from models.weights import keras_file  # with TensorFlow, takes seconds

        arrays = keras_file.read(source, state.model)
    try:
        fresh, taken = warm_start.copy_by_name(arrays, state.model, head)
    except UserError as error:
        raise UserError(f"`pretrained`={source}: {error}") from None
    note(f"starting from the weights of {source}: {taken}")
    return fresh


@contextlib.contextmanager
def _named_as_given() -> Iterator[None]:
    """Say `pretrained` in errors about the run that it names."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace("`init_from`", "`pretrained`")) from None


def _as_init_from(config: RunConfig) -> RunConfig:
    """Return a config that names the run to start from as one that goes on from another does."""
    saves = dataclasses.replace(config.checkpoints, init_from=config.transfer.pretrained)
    return dataclasses.replace(config, checkpoints=saves)
