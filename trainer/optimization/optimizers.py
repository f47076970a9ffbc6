"""`optimizer`: a name → a Keras optimizer with the settings that the name stands for.

It keeps the moving average of weights (`ema_decay`) and the loss scale (float16) as well, so that
they are in checkpoints wherever the optimizer is.
"""

from collections.abc import Mapping

from trainer.config.optimization import OPTIMIZERS
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
    from keras import optimizers  # with TensorFlow, takes seconds; names must be had without

    keras_name, own = _CLASSES[name]
    settings = {**OPTIMIZERS[name], **own, **(options or {})}
    if ema:
        settings |= {"use_ema": True, "ema_momentum": ema}
    if weight_decay is not None:
        settings["weight_decay"] = weight_decay
        if name == "muon":
            settings["adam_weight_decay"] = weight_decay
    optimizer = getattr(optimizers, keras_name)(learning_rate=learning_rate, **settings)
    # Small gradients are 0 in float16, unless the loss is multiplied. bfloat16 has float32's range.
    if mixed_precision == "float16":
        return optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def build(config: RunConfig, model):
    """Build the optimizer of a run for its model."""
    optimization = config.optimization
    optimizer = create(
        optimization.optimizer,
        config.learning_rate,
        optimization.ema_decay,
        config.model.mixed_precision,
        weight_decay=optimization.weight_decay,
        options=optimization.optimizer_options,
    )
    if optimization.weight_decay:
        # Biases, and scales and shifts of normalisation, are vectors.
        vectors = [variable for variable in model.trainable_variables if len(variable.shape) < 2]
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.exclude_from_weight_decay(var_list=vectors)
    optimizer.build(model.trainable_variables)
    return optimizer


def learning_rate(optimizer) -> float:
    """Return the learning rate of the next step, to the digits that 32 bits have."""
    return _digits(optimizer.learning_rate)


def base_learning_rate(optimizer) -> float:
    """Return what an optimizer keeps as its rate, which a schedule may multiply."""
    return _digits(getattr(optimizer, "inner_optimizer", optimizer)._learning_rate)


def _digits(rate) -> float:
    return float(f"{float(rate.numpy()):.7g}")
