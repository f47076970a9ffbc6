"""Which network a run trains, and what it computes in."""

import dataclasses

from headrace.config_flags import option
from headrace.options import OptionsParser
from models import registry
from models.layers import normalization


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = option(
        None,
        f"The model: {', '.join(registry.names())}; or applications/NAME for a network of Keras, "
        "such as applications/resnet50. docs/models.md has all of them, with their options.",
        flag="model",
        on_resume="same",
    )
    options: dict[str, object] = option(
        {},
        "The model's own options as name=value, separated by semicolons, for example "
        '"stages=(9,9,9);filters=(16,16,32,64)".',
        flag="model_options",
        parser=OptionsParser(),
        on_resume="same",
        affects=("evaluation",),
    )
    normalization: str = option(
        None,
        "What the model's first layer makes of a level x; "
        + "; ".join(f"{name}: {text}" for name, text in normalization.MODES.items())
        + ". Default: channel, or what the model's published weights were trained with.",
        choices=tuple(normalization.MODES),
        on_resume="same",
        affects=("evaluation",),
    )
    mixed_precision: str = option(
        "none",
        "What layers compute in; weights, normalisation and losses are float32. For float16 the "
        "loss is scaled, and a step that overflows is left out. auto takes what is clearly faster: "
        "it measures steps in float32 and bfloat16, and with XLA (`jit_compile`) on one device, "
        "for 20 s at most; the run keeps what was chosen.",
        choices=("none", "bfloat16", "float16", "auto"),
        on_resume="same",
        affects=("optimizer", "evaluation"),
        unsupported={
            "central_storage": {
                "float16": "Keras scales no loss under it; use `strategy`=mirrored"
            },
            "parameter_server": {
                "float16": "workers would share the scale of their losses; use bfloat16"
            },
            "tpu": {"auto": "a process of its own measures, and one alone has a TPU; use bfloat16"},
        },
    )
