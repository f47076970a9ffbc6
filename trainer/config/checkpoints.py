"""When a run saves itself, and which weights it starts from."""

import dataclasses

from headrace.config_flags import PathParser, option
from trainer import run_dir


@dataclasses.dataclass(frozen=True)
class CheckpointsConfig:
    """Saves, and the start from another run. `resolve` sets `save_every_steps`."""

    save_every_epochs: int | None = option(
        None, "Epochs between checkpoints. Default: 1.", minimum=1
    )
    save_every_steps: int = option(
        0, "Steps between checkpoints, in place of `save_every_epochs`; or 0.", minimum=0
    )
    save_every_seconds: float = option(
        0.0, "Save so often, too; 0 for not by the clock.", minimum=0.0
    )
    max_to_keep: int = option(
        3, "How many of the latest checkpoints stay, beside the best.", minimum=1
    )
    init_from: str = option(
        "",
        "Start a new run from the weights of the run in this directory; with a moving average, "
        "from that. Of another model they are taken wherever names and shapes are the same. Where "
        "the classes are others, the last layer starts afresh.",
        parser=PathParser(),
        on_resume="same",
    )
    init_checkpoint: str = option(
        "best",
        "Of `init_from`: which checkpoint; the latest where it has no best.",
        choices=run_dir.WHICH,
        on_resume="same",
    )
    init_optimizer: str = option(
        "reset",
        "Of `init_from`: restore takes over its optimizer's state too, with the weights as "
        "training left them; the rate is that of `learning_rate`.",
        choices=("reset", "restore"),
        on_resume="same",
    )
