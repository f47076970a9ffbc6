"""`optimizer`: a name → a Keras optimizer with the settings that the name stands for.

It keeps the moving average of weights (`ema_decay`), the slow weights (`lookahead_steps`) and the
loss scale (float16) as well, so that they are in checkpoints wherever the optimizer is.
"""

from collections.abc import Mapping

from trainer.config.optimization import OPTIMIZERS, OptimizationConfig
from trainer.config.run import RunConfig

# Keras's class of each, and what makes it another than the others of that class.
_CLASSES: dict[str, tuple[str, dict[str, object]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {}),
    "nesterov": ("SGD", {"nesterov": True}),
    "adam": ("Adam", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamw": ("AdamW", {}),
    "nadam": ("Nadam", {}),
    "adamax": ("Adamax", {}),
    "rmsprop": ("RMSprop", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    # Its own rate falls with the steps unless told otherwise: here the schedule says what it is.
    "adafactor": ("Adafactor", {"relative_step": False}),
    "lion": ("Lion", {}),
    "lamb": ("Lamb", {}),
    "muon": ("Muon", {}),
    "schedule_free_adamw": ("ScheduleFreeAdamW", {}),
}


def create(
    name: str,
    learning_rate: float,
    ema: float = 0.0,
    mixed_precision: str = "none",
    *,
    weight_decay: float | None = None,
    options: Mapping[str, object] | None = None,
):
    """Make the optimizer.

    Args:
        name: one of `trainer.config.optimization.OPTIMIZERS`.
        learning_rate: learning rate that training begins with.
        ema: part that a step keeps of the moving average of weights; 0 for no average.
        mixed_precision: what the model computes in: `none`, `bfloat16` or `float16`.
        weight_decay: part of each weight that a step takes away, times the rate; None for what
            Keras has by default.
        options: options of the optimizer, of those in `OPTIMIZERS`.
    """
    settings = {**(options or {}), **_averaging(ema)}
    if weight_decay is not None:
        settings["weight_decay"] = weight_decay
    return _with_loss_scale(_create(name, learning_rate, settings), mixed_precision)


def build(config: RunConfig, model):
    """Build the optimizer of a run for its model.

    Raises:
        UserError: a group of weights with an optimizer of its own is empty.
    """
    from trainer.optimization import lookahead  # with TensorFlow, takes seconds

    optimization, weights = config.optimization, model.trainable_variables
    if optimization.group_optimizers:
        inner = _create_grouped(optimization, config.learning_rate, model)
    else:
        settings = {**optimization.optimizer_options, **_averaging(optimization.ema_decay)}
        if optimization.weight_decay is not None:
            settings["weight_decay"] = optimization.weight_decay
        inner = _create(optimization.optimizer, config.learning_rate, settings)
        _spare_vectors(inner, optimization.weight_decay, weights)
    optimizer = _with_loss_scale(inner, config.model.mixed_precision)
    optimizer.build(weights)
    if optimization.lookahead_steps:
        lookahead.add(optimizer, optimization.lookahead_steps, optimization.lookahead_factor)
    return optimizer


def learning_rate(optimizer) -> float:
    """Return the learning rate of the next step, to the digits that 32 bits have."""
    return _digits(optimizer.learning_rate)


def base_learning_rate(optimizer) -> float:
    """Return what an optimizer keeps as its rate, which a schedule may multiply."""
    return _digits(getattr(optimizer, "inner_optimizer", optimizer)._learning_rate)


def _digits(rate) -> float:
    return float(f"{float(rate.numpy()):.7g}")


def _create(name: str, learning_rate: float, given: Mapping[str, object]):
    """Make an optimizer by its name, with settings beside those that the name stands for."""
    from keras import optimizers  # with TensorFlow, takes seconds; names must be had without

    from trainer.optimization.schedule_free import ScheduleFreeAdamW

    keras_name, own = _CLASSES[name]
    settings = {**OPTIMIZERS[name], **own, **given}
    if name == "muon" and "weight_decay" in given:
        settings["adam_weight_decay"] = given["weight_decay"]
    kind = ScheduleFreeAdamW if name == "schedule_free_adamw" else getattr(optimizers, keras_name)
    return kind(learning_rate=learning_rate, **settings)


def _create_grouped(optimization: OptimizationConfig, learning_rate: float, model):
    """Make the optimizers of groups of weights, and that of the rest, if there is any, as one."""
    from trainer.optimization import weight_groups
    from trainer.optimization.grouped import GroupedOptimizer, Member

    groups, weights = optimization.optimizer_groups, model.trainable_variables
    patterns = [group.pattern for group in groups]
    numbers = weight_groups.assign_weights("group_optimizers", patterns, model)
    chosen = [(group.optimizer, group.options) for group in groups]
    if len(numbers) < len(weights):
        chosen.append((optimization.optimizer, optimization.optimizer_options))
    members = []
    for name, options in chosen:
        own = dict(options)
        rate = own.pop("learning_rate", optimization.learning_rate)
        if optimization.weight_decay is not None:
            own.setdefault("weight_decay", optimization.weight_decay)
        factor = rate / optimization.learning_rate if optimization.learning_rate else 1.0
        optimizer = _create(name, learning_rate, own)
        _spare_vectors(optimizer, own.get("weight_decay"), weights)
        members.append(Member(optimizer, factor))
    return GroupedOptimizer(
        learning_rate,
        members,
        lambda variable: numbers.get(variable.path, len(groups)),
        **_averaging(optimization.ema_decay),
    )


def _averaging(ema: float) -> dict[str, object]:
    """Return the settings of a moving average."""
    return {"use_ema": True, "ema_momentum": ema} if ema else {}


def _spare_vectors(optimizer, weight_decay: float | None, weights) -> None:
    """Let an optimizer that is to decay weights leave out biases, and scales and shifts of
    normalisation, which are vectors."""
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_list=[v for v in weights if len(v.shape) < 2])


def _with_loss_scale(optimizer, mixed_precision: str):
    """Return the optimizer, within one that scales the loss if need be."""
    from keras import optimizers

    # Small gradients are 0 in float16, unless the loss is multiplied. bfloat16 has float32's range.
    scales = mixed_precision == "float16"
    return optimizers.LossScaleOptimizer(optimizer) if scales else optimizer
