"""A name → a Keras model.

    model = models.build("resnet_cifar", (32, 32, 3), 10, stages=(9, 9, 9))

A model takes normalised float images `[batch, rows, columns, channels]` and gives float32 logits
`[batch, classes]`; the softmax belongs to the loss and to the exported model.

To add one, write a module with `build(input_shape, classes, *, option=default, …)` and name it in
`_BUILDERS`. Keras is imported when a model is built, so that names and options can be checked
before TensorFlow, which takes seconds, is loaded.
"""

import inspect
from collections.abc import Callable

from headrace.errors import UsageError
from models import lenet, resnet_cifar

_BUILDERS: dict[str, Callable] = {
    "lenet": lenet.build,
    "resnet_cifar": resnet_cifar.build,
}


def names() -> list[str]:
    """The models there are."""
    return sorted(_BUILDERS)


def check(name: str, options: dict[str, object]) -> None:
    """Makes sure that there is such a model and that it has such options.

    Raises:
        UsageError: there is no such model, or an option is unknown or of another kind.
    """
    if name not in _BUILDERS:
        raise UsageError(f"unknown model {name!r}; there are {', '.join(names())}")
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(_BUILDERS[name]).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for option, value in options.items():
        if option not in known:
            raise UsageError(f"{name} has no option {option!r}; it has {', '.join(known)}")
        default = known[option]
        if not _same_kind(value, default):
            raise UsageError(f"{name}: {option} is of the kind of {default!r}, received {value!r}")


def build(name: str, input_shape: tuple[int, int, int], classes: int, **options):
    """Builds a model.

    Args:
        name: one of `names()`.
        input_shape: rows, columns, channels.
        classes: number of logits.
        **options: the model's own.

    Returns:
        A `keras.Model`.

    Raises:
        UserError: unknown name or option, or an input shape that the model cannot take.
    """
    check(name, options)
    return _BUILDERS[name](tuple(input_shape), classes, **options)


def _same_kind(value: object, default: object) -> bool:
    """Whether an option's value can stand in for its default: 1 for 0.5, [1, 2] for (1,)."""
    if isinstance(default, tuple):
        return isinstance(value, (tuple, list)) and all(_same_kind(v, default[0]) for v in value)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)
