"""How a step changes the weights."""

import dataclasses

from headrace import errors
from headrace.config_flags import option

OPTIMIZERS = (
    "sgd",
    "momentum",
    "nesterov",
    "adam",
    "adamw",
    "nadam",
    "adamax",
    "rmsprop",
    "adagrad",
    "adadelta",
)


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """Loss, gradient and update."""

    class_weights: str = option(
        "none",
        "balanced multiplies the loss of each image by the largest class's count over that of its "
        "own class. The loss that is logged while training is that.",
        choices=("none", "balanced"),
        on_resume="same",
    )
    label_smoothing: float = option(
        0.0,
        "Part of each label that is spread over all classes, such as 0.1; 0 for none. The loss "
        "that is logged while training is that.",
        minimum=0.0,
        maximum=1.0,
        on_resume="same",
    )
    optimizer: str = option(
        "momentum",
        "The optimizer; momentum and nesterov are SGD with momentum 0.9.",
        choices=OPTIMIZERS,
        on_resume="same",
        affects=("optimizer",),
    )
    learning_rate: float = option(
        0.01, "Learning rate, which `schedule` varies.", minimum=0.0, on_resume="same"
    )
    grad_accum_steps: int = option(
        1,
        "Parts that a replica takes its share of a batch in, one after another, to need as much "
        "less memory. It divides that share. The weights are the same, but for batch "
        "normalisation, which has the statistics of a part.",
        minimum=1,
        on_resume="same",
        unsupported={
            "central_storage": "its replicas share the sums of the parts; use `strategy`=mirrored",
            "parameter_server": "a worker takes a whole batch for a step; use a smaller "
            "`batch_size`",
        },
    )
    clip_norm: float = option(
        0.0,
        "Scale the gradient of the global batch down to this norm, taken over all weights, where "
        "it is longer; 0 for never.",
        minimum=0.0,
        on_resume="same",
    )
    ema_decay: float = option(
        0.0,
        "Keep a moving average of the weights, of which each step keeps this part, such as 0.999; "
        "evaluation, export and prediction take it. 0 for none.",
        minimum=0.0,
        on_resume="same",
        affects=("optimizer", "evaluation"),
    )
    jit_compile: bool = option(
        False,
        "Compile the gradients with XLA, and the update too on one device. Of several replicas "
        "only for models without batch normalisation.",
        unsupported={
            "central_storage": "XLA cannot reach variables elsewhere; use `strategy`=mirrored",
            "parameter_server": "XLA cannot reach variables of servers; leave it out",
        },
    )


def check(config: OptimizationConfig) -> None:
    """Make sure that values are possible by themselves.

    Raises:
        UsageError: the moving average would never move.
    """
    errors.check(
        config.ema_decay < 1,
        f"`ema_decay`={config.ema_decay:g}: expected less than 1, such as 0.999",
    )
