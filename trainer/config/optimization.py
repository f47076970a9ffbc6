"""How a step changes the weights."""

import dataclasses

from headrace import errors
from headrace.config_flags import option
from headrace.options import OptionsParser, check_numbers, check_options
from trainer.config.loss import AUTO, LOSSES, check_loss
from trainer.config.weight_groups import (
    GroupOptimizer,
    GroupRate,
    GroupsParser,
    read_group_optimizer,
    read_group_rate,
)

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
    "schedule_free_adamw": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
}
# Those that keep an average of all weights so far, which is what the weights are worth.
AVERAGING = ("schedule_free_adamw",)
# What an optimizer of a group may be told as well.
_GROUP_OPTIONS: dict[str, object] = {"learning_rate": 0.01, "weight_decay": 0.0}


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
        "correction, muon takes Adam for what is no matrix, and schedule_free_adamw needs no "
        "`schedule` but a warm-up: evaluation, export and prediction take its average of weights.",
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
    group_rates: tuple[str, ...] = option(
        (),
        "Multiply the learning rate of some weights: */bias=64,logits/*=0.1. A pattern is of their "
        "names, which are LAYER/kernel, LAYER/bias and the like; the first one that fits counts.",
        parser=GroupsParser("PATTERN=FACTOR,…", read_group_rate),
        on_resume="same",
    )
    group_optimizers: tuple[str, ...] = option(
        (),
        "Give some weights another optimizer, with its own options, `learning_rate` and "
        "`weight_decay`: dense_*/kernel=muon(learning_rate=0.02;ns_steps=6),logits/*=sgd. Patterns "
        "are as in `group_rates`, which multiply these rates too.",
        parser=GroupsParser("PATTERN=OPTIMIZER(NAME=VALUE;…),…", read_group_optimizer),
        on_resume="same",
        affects=("optimizer",),
    )
    lookahead_steps: int = option(
        0,
        "Every so many steps, such as 5, go back to the weights before them, but for a part of "
        "the way, and on from there; 0 for never.",
        minimum=0,
        on_resume="same",
        affects=("optimizer",),
        unsupported={
            "parameter_server": "its workers are never at the same step; leave it out",
        },
    )
    lookahead_factor: float = option(
        0.5,
        "Part of the way that `lookahead_steps` keep.",
        minimum=0.0,
        maximum=1.0,
        on_resume="same",
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

    @property
    def rate_groups(self) -> list[GroupRate]:
        """What `group_rates` says."""
        return [read_group_rate(text) for text in self.group_rates]

    @property
    def optimizer_groups(self) -> list[GroupOptimizer]:
        """What `group_optimizers` says."""
        return [read_group_optimizer(text) for text in self.group_optimizers]

    @property
    def is_averaging(self) -> bool:
        """Whether an optimizer keeps an average of the weights by itself."""
        names = (self.optimizer, *(group.optimizer for group in self.optimizer_groups))
        return any(name in AVERAGING for name in names)

    @property
    def keeps_average(self) -> bool:
        """Whether there is an average of the weights, which evaluation takes."""
        return bool(self.ema_decay) or self.is_averaging


def check(config: OptimizationConfig) -> None:
    """Make sure that values are possible by themselves.

    Raises:
        UsageError: an average would never move, or there are two; or an optimizer or the loss has
            no such option, or there is no optimizer of that name.
    """
    check_loss(config.loss, config.loss_options)
    _check_optimizer(f"`optimizer`={config.optimizer}", config.optimizer, config.optimizer_options)
    for pattern, optimizer, options in config.optimizer_groups:
        what = f"`group_optimizers`: {pattern}={optimizer}"
        there = ", ".join(OPTIMIZERS)
        errors.check(optimizer in OPTIMIZERS, f"{what}: expected one of {there}")
        _check_optimizer(what, optimizer, options, _GROUP_OPTIONS)
    errors.check(
        config.learning_rate or not any("learning_rate" in g[2] for g in config.optimizer_groups),
        "`group_optimizers`: their rates are parts of `learning_rate`=0; give one above 0",
    )
    errors.check(
        config.ema_decay < 1,
        f"`ema_decay`={config.ema_decay:g}: expected less than 1, such as 0.999",
    )
    errors.check(
        not (config.ema_decay and config.is_averaging),
        f"`ema_decay`: {' and '.join(AVERAGING)} keeps an average of the weights by itself; leave "
        "`ema_decay` out, or use another optimizer",
    )
    errors.check(
        not config.lookahead_steps or config.lookahead_factor,
        "`lookahead_factor`=0: the weights would stay as they are; give one above 0",
    )


def check_schedule_free(config: OptimizationConfig, schedule: str, reduce_lr_patience: int) -> None:
    """Make sure that nothing lowers the rate of an optimizer whose average stands for that.

    Args:
        config: how a step changes the weights.
        schedule: name of the schedule.
        reduce_lr_patience: evaluations after which the rate is lowered; 0 for never.

    Raises:
        UsageError: something does.
    """
    if not config.is_averaging:
        return
    name = " and ".join(AVERAGING)
    errors.check(
        schedule == "constant",
        f"`schedule`={schedule}: {name} averages the weights instead of lowering the rate, which "
        "would be done twice; leave `schedule` out (a warm-up may stay), or use another optimizer",
    )
    errors.check(
        not reduce_lr_patience,
        f"`reduce_lr_patience`: {name} averages the weights instead of lowering the rate; leave it "
        "out, or use another optimizer",
    )


def _check_optimizer(
    what: str, name: str, options: dict[str, object], more: dict[str, object] | None = None
) -> None:
    check_options(what, options, {**OPTIMIZERS[name], **(more or {})})
    check_numbers(what, options)
    errors.check(options.get("learning_rate", 1), f"{what}: learning_rate=0: expected more than 0")
    if name in AVERAGING:
        beta: object = options.get("beta_1", 0.9)
        errors.check(
            isinstance(beta, int | float) and 0 < beta < 1,
            f"{what}: beta_1={beta}: expected more than 0 and less than 1",
        )
