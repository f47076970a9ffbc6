"""A name → a Keras model.

    model = registry.build("resnet_cifar", (32, 32, 3), 10, stages=(9, 9, 9))

A model takes normalised float images `[batch, rows, columns, channels]` and gives float32 logits
`[batch, classes]`; the softmax belongs to the loss and to the exported model.

To add one, put a module into this package with `build(input_shape, classes, *, option=default, …)`.
Its name is the model's and nothing else names it; `MIN_SIZE` is the least of rows and columns that
it takes, if not 1; `NORMALIZATION` what it is fed with, if not "channel". A function
`imagenet_weights()` gives weights that were trained on ImageNet, and `initial_weights(network,
batches)` weights that are made of training images, if there are any; see the functions of these
names here. It imports Keras in `build`, so that names and options can be checked before TensorFlow,
which takes seconds, is loaded. Of its `style`, each field is an option of the model's own.
"""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import models
from headrace.errors import UsageError, UserError
from headrace.options import check_options
from models import applications
from models.layers.style import Style

if TYPE_CHECKING:  # with TensorFlow, takes seconds
    import keras
    import numpy as np

# Modules of the package that are no models.
_OTHERS = ("applications", "classifier", "cost", "reference", "registry")
_APPLICATIONS = "applications/"


def names() -> list[str]:
    """Return the names of the models that are ours, sorted; `application_names` has the others."""
    modules = pkgutil.iter_modules(models.__path__)
    return sorted(
        module.name for module in modules if not module.ispkg and module.name not in _OTHERS
    )


def application_names() -> list[str]:
    """Return the names of Keras's networks, `applications/NAME`, sorted."""
    return sorted(f"{_APPLICATIONS}{name}" for name in applications.NAMES)


def options(name: str) -> dict[str, object]:
    """Return the options of a model, in their order, with their defaults.

    Raises:
        UsageError: there is no such model.
    """
    found: dict[str, object] = {}
    for parameter, default in _keywords(name).items():
        found.update(vars(default) if isinstance(default, Style) else {parameter: default})
    return found


def min_size(name: str) -> int:
    """Return the least of rows and columns that a model takes with its default options."""
    if name in application_names():
        return applications.NAMES[name.removeprefix(_APPLICATIONS)].min_size
    return getattr(_module(name), "MIN_SIZE", 1)


def normalization(name: str) -> str:
    """Return what a model is fed with if nothing else is asked for, see
    `models.layers.normalization`: where there are published weights, what these expect."""
    if name not in application_names():
        return getattr(_module(name), "NORMALIZATION", "channel")
    from models.layers.normalization import APPLICATION_MODES  # with NumPy, takes a moment

    return APPLICATION_MODES[applications.NAMES[name.removeprefix(_APPLICATIONS)].family]


def has_imagenet_weights(name: str) -> bool:
    """Return whether `imagenet_weights` has any for a model; it may need a package to get them.

    Raises:
        UsageError: there is no such model.
    """
    return name in application_names() or hasattr(_module(name), "imagenet_weights")


def check_imagenet_weights(name: str, channels: int) -> None:
    """Make sure that a model has published weights, and that they are for such images.

    Raises:
        UserError: it has none, or they are for RGB images and these are of other channels.
    """
    if not has_imagenet_weights(name):
        there = ", ".join(filter(has_imagenet_weights, names()))
        raise UserError(
            f"there are no weights of ImageNet for {name}; there are for {there} and for all of "
            f"{_APPLICATIONS}NAME"
        )
    if channels != 3:
        raise UserError(
            f"{name}: weights of ImageNet are for images of 3 channels, and these have {channels}; "
            "prepare them as RGB"
        )


def imagenet_weights(
    name: str, input_shape: tuple[int, int, int], note: Callable[[str], None]
) -> "dict[str, np.ndarray]":
    """Get the weights of a model with its default options, trained on ImageNet.

    Args:
        name: one of `names()` or `application_names()`.
        input_shape: rows, columns, channels, as `build` takes them.
        note: function that is called with a line for the user, before a download.

    Returns:
        Arrays by `LAYER/VARIABLE`, see `models.weights.named`. Of our own models those of the last
        layer are among them, for 1,000 classes.

    Raises:
        UserError: as for `check_imagenet_weights`, or they are not installed or cannot be
            downloaded.
    """
    check_imagenet_weights(name, input_shape[-1])
    if name in application_names():
        return applications.imagenet_weights(name.removeprefix(_APPLICATIONS), input_shape, note)
    return _module(name).imagenet_weights()


def check(name: str, values: dict[str, object]) -> None:
    """Make sure that there is such a model and that it has such options.

    Raises:
        UsageError: there is no such model, or an option is unknown or of another kind.
    """
    check_options(name, values, options(name))


def check_size(name: str, input_shape: Sequence[int]) -> None:
    """Make sure that a model takes images of such rows and columns, with its default options.

    Raises:
        UserError: they are too small.
    """
    rows, columns, *_ = input_shape
    least = min_size(name)
    if min(rows, columns) < least:
        raise UserError(
            f"{name}: expected images of at least {least}×{least}, received {rows}×{columns}; use "
            f"`image_size`={least},{least} or more"
        )


def build(name: str, input_shape: tuple[int, int, int], classes: int, **values):
    """Build a model.

    Args:
        name: one of `names()` or `application_names()`.
        input_shape: rows, columns, channels.
        classes: number of logits.
        **values: options of the model, see `options`.

    Returns:
        A `keras.Model`.

    Raises:
        UserError: unknown name or option, or an input shape that the model cannot take.
    """
    check(name, values)
    check_size(name, input_shape)
    arguments: dict[str, object] = {}
    for parameter, default in _keywords(name).items():
        if isinstance(default, Style):
            given = {field: values[field] for field in vars(default) if field in values}
            arguments[parameter] = dataclasses.replace(default, **given)
        elif parameter in values:
            arguments[parameter] = values[parameter]
    return _builder(name)(tuple(input_shape), classes, **arguments)


def initial_weights(
    name: str, network: "keras.Model", batches: "Iterable[np.ndarray]"
) -> "list[tuple[keras.Variable, np.ndarray]]":
    """Compute the weights of a model that a new run takes from its training images.

    Args:
        name: of the model.
        network: what `build` returned for it.
        batches: training images as the model gets them, float32
            `[batch, rows, columns, channels]`; read only if the model has such weights.

    Returns:
        Variables of the network, each with its value; empty for most models.
    """
    if name in application_names():
        return []
    compute = getattr(_module(name), "initial_weights", None)
    return compute(network, batches) if compute else []


def _keywords(name: str) -> dict[str, object]:
    """Return the defaults of what `build` takes by keyword."""
    parameters = inspect.signature(_builder(name)).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def _builder(name: str) -> Callable:
    if name in application_names():
        return functools.partial(applications.build, name.removeprefix(_APPLICATIONS))
    return _module(name).build


def _module(name: str) -> ModuleType:
    if name.startswith(_APPLICATIONS):
        raise UsageError(f"unknown model {name!r}; there are {', '.join(application_names())}")
    if name not in names():
        raise UsageError(
            f"unknown model {name!r}; there are {', '.join(names())}, and {_APPLICATIONS}NAME for "
            "those of Keras, such as applications/resnet50"
        )
    return importlib.import_module(f"{models.__name__}.{name}")
