"""How a step changes the weights."""

import dataclasses

from headrace import errors
from headrace.config_flags import option
from headrace.options import OptionsParser, check_numbers, check_options
from trainer.config.loss import AUTO, LOSSES, check_loss

_ADAM: dict[str, object] = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
# Of each optimizer, its own options with their defaults, which are those of Keras but for momentum.
OPTIMIZERS: dict[str, dict[str, object]] = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "adam": _ADAM,
    "amsgrad": _ADAM,
    "adamw": _ADAM,
    "nadam": _ADAM,
    "adamax": _ADAM,
    "rmsprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "adadelta": {"rho": 0.95, "epsilon": 1e-7},
    "adafactor": {"epsilon_1": 1e-30, "epsilon_2": 1e-3, "clip_threshold": 1.0},
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
    "lamb": _ADAM,
    "muon": {"momentum": 0.95, "ns_steps": 5, "rms_rate": 0.2},
}


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """Loss, gradient and update."""

    loss: str = option(
        AUTO,
        "What a wrong prediction costs. cross_entropy, focal: of the softmax of all classes. "
        "binary, binary_focal: of each class by itself, for images of several labels. auto: "
        "cross_entropy, or binary for several labels.",
        choices=(AUTO, *LOSSES),
        on_resume="same",
        affects=("evaluation",),
    )
    loss_options: dict[str, object] = option(
        {},
        'The loss\'s own options as name=value, separated by semicolons, such as "gamma=1.5"; '
        "docs/training.md has all of them.",
        parser=OptionsParser(),
        on_resume="same",
        affects=("evaluation",),
    )
    class_weights: str = option(
        "none",
        "balanced multiplies the loss of each image by the largest class's count over that of its "
        "own class; in a binary `loss`, what it costs to miss the class. The loss that is logged "
        "while training is that.",
        choices=("none", "balanced"),
        on_resume="same",
    )
    label_smoothing: float = option(
        0.0,
        "Part of each label that is spread over all classes, such as 0.1; 0 for none. In a binary "
        "`loss`, over present and absent. The loss that is logged while training is that.",
        minimum=0.0,
        maximum=1.0,
        on_resume="same",
    )
    optimizer: str = option(
        "momentum",
        "The optimizer; momentum and nesterov are SGD with momentum 0.9, amsgrad is Adam with its "
        "correction, muon takes Adam for what is no matrix.",
        choices=tuple(OPTIMIZERS),
        on_resume="same",
        affects=("optimizer",),
    )
    optimizer_options: dict[str, object] = option(
        {},
        "The optimizer's own options as name=value, separated by semicolons, for example "
        '"beta_2=0.99;epsilon=0.001"; docs/training.md has all of them.',
        parser=OptionsParser(),
        on_resume="same",
        affects=("optimizer",),
    )
    weight_decay: float | None = option(
        None,
        "Take this part of each weight away in a step, times the learning rate; biases and "
        "normalisation keep theirs. Default: 0.004 of all weights for adamw and muon, or else 0.",
        minimum=0.0,
        on_resume="same",
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
        UsageError: the moving average would never move, or optimizer or loss has no such option.
    """
    check_loss(config.loss, config.loss_options)
    what, given = f"`optimizer`={config.optimizer}", config.optimizer_options
    check_options(what, given, OPTIMIZERS[config.optimizer])
    check_numbers(what, given)
    errors.check(
        config.ema_decay < 1,
        f"`ema_decay`={config.ema_decay:g}: expected less than 1, such as 0.999",
    )
