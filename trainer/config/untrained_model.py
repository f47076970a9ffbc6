"""Which network a program looks at that no run has trained, and how it would be trained.

    from trainer.config import untrained_model

    untrained_model.define()        # before the flags of data, two of which it reads

    def main() -> None:
        config = untrained_model.parse(card)

No TensorFlow is imported here.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from absl import flags

from headrace import config_flags
from headrace.config_flags import option
from headrace.errors import check
from input.dataset.dataset_dir import Card
from models import registry
from trainer.config import data as data_config
from trainer.config import optimization
from trainer.config.data import DataConfig
from trainer.config.model import ModelConfig
from trainer.config.optimization import OptimizationConfig
from trainer.config.run import DatasetConfig, RunConfig, dataset_config

# The flags that `define` makes are those of the program that calls it.
flags.disclaim_key_flags()

# Of an optimization, what changes how much memory a step needs.
_OPTIMIZATION = ("optimizer", "grad_accum_steps", "lookahead_steps", "ema_decay")


@dataclasses.dataclass(frozen=True)
class _Images:
    classes: int = option(1000, "Classes of a `model` without `data_dir`.", minimum=1)
    channels: int = option(
        3, "Channels of the images of a `model` without `data_dir`: 3 for RGB, 1 for grey.",
        minimum=1,
    )  # fmt: skip


def define() -> None:
    """Define the flags."""
    config_flags.define(ModelConfig, _Images)
    config_flags.define(OptimizationConfig, only=_OPTIMIZATION)


def given_flags() -> Iterator[str]:
    """Yield the names of the flags of `define` that were given."""
    fields = [*dataclasses.fields(ModelConfig), *dataclasses.fields(_Images)]
    for name in (*map(config_flags.flag_name, fields), *_OPTIMIZATION):
        if flags.FLAGS[name].present:
            yield name


def parse(card: Card | None) -> RunConfig:
    """Return a run of the network, as far as that decides what the network is and needs.

    Args:
        card: card of the dataset that gives classes, channels and size; None for flags to say them.

    Raises:
        UsageError: there is no such model or option, flags are missing or contradict each other.
        UserError: the images are too small, or those of the dataset differ in size.
    """
    model, images = config_flags.parse(ModelConfig), config_flags.parse(_Images)
    registry.check(model.name, model.options)
    check(
        model.mixed_precision != "auto",
        "`mixed_precision`=auto is measured where a run begins; name what to look at, such as "
        "bfloat16",
    )
    values: dict[str, Any] = {name: flags.FLAGS[name].value for name in _OPTIMIZATION}
    step = OptimizationConfig(**values)
    optimization.check(step)
    data = DataConfig(image_size=flags.FLAGS.image_size, batch_size=flags.FLAGS.batch_size)
    check(
        data.batch_size % step.grad_accum_steps == 0,
        f"`grad_accum_steps`={step.grad_accum_steps} does not divide "
        f"`batch_size`={data.batch_size}",
    )
    if card is None:
        check(data.image_size, "say `image_size`=ROWS,COLUMNS, or name a dataset by `data_dir`")
        # What is subtracted and divided by costs the same for any numbers.
        dataset = DatasetConfig(
            classes=[str(label) for label in range(images.classes)],
            channels=images.channels,
            mean=[0.0] * images.channels,
            std=[1.0] * images.channels,
        )
    else:
        given = [name for name in ("classes", "channels") if flags.FLAGS[name].present]
        check(
            not given,
            f"the dataset of `data_dir` says {' and '.join(given)}; leave "
            f"{', '.join(f'`{name}`' for name in given)} out, or `data_dir`",
        )
        size = data.image_size or data_config.uniform_size(card)
        data = dataclasses.replace(data, image_size=size)
        dataset = dataset_config(card)
    config = RunConfig(dataset=dataset, data=data, model=model, optimization=step)
    registry.check_size(model.name, config.input_shape)
    return config
