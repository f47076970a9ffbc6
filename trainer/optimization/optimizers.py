"""`optimizer`: a name → a Keras optimizer with the settings that the name stands for.

It keeps the moving average of weights (`ema_decay`) and the loss scale (float16) as well, so that
they are in checkpoints wherever the optimizer is.
"""

import functools

from trainer.config.run import RunConfig


def create(name: str, learning_rate: float, ema: float = 0.0, mixed_precision: str = "none"):
    """Make the optimizer.

    `momentum` and `nesterov` are SGD with momentum 0.9; the others have Keras's defaults.

    Args:
        name: one of `trainer.config.optimization.OPTIMIZERS`.
        learning_rate: learning rate that training begins with.
        ema: part that a step keeps of the moving average of weights; 0 for no average.
        mixed_precision: what the model computes in: `none`, `bfloat16` or `float16`.
    """
    from keras import optimizers  # with TensorFlow, takes seconds; names must be had without

    makers = {
        "sgd": optimizers.SGD,
        "momentum": functools.partial(optimizers.SGD, momentum=0.9),
        "nesterov": functools.partial(optimizers.SGD, momentum=0.9, nesterov=True),
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "nadam": optimizers.Nadam,
        "adamax": optimizers.Adamax,
        "rmsprop": optimizers.RMSprop,
        "adagrad": optimizers.Adagrad,
        "adadelta": optimizers.Adadelta,
    }
    average = {"use_ema": True, "ema_momentum": ema} if ema else {}
    optimizer = makers[name](learning_rate=learning_rate, **average)
    # Small gradients are 0 in float16, unless the loss is multiplied. bfloat16 has float32's range.
    if mixed_precision == "float16":
        return optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def build(config: RunConfig, model):
    """Build the optimizer of a run for its model."""
    optimizer = create(
        config.optimization.optimizer,
        config.learning_rate,
        config.optimization.ema_decay,
        config.model.mixed_precision,
    )
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
